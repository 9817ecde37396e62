"""Load a shop's orders into SQLite: make the data, read it, mend the customers' names, add up, write.

Standard library only. Two functions are heavy on purpose: `read_orders` holds every order in memory,
and `edit_distance` compares names letter by letter.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

SYLLABLES = (
    "an",
    "bel",
    "cor",
    "dan",
    "el",
    "far",
    "gor",
    "hil",
    "is",
    "jun",
    "kal",
    "lor",
    "mar",
    "nor",
    "ol",
)
COUNTRIES = ("AT", "BR", "CA", "DE", "ES", "FR", "IN", "JP", "KE", "MX", "PL", "US")
PRODUCTS = ("lamp", "chair", "table", "shelf", "carpet", "mirror", "clock", "vase")

Order = dict[str, str]


# -- make the data ---------------------------------------------------------------------------------


def make_customers(path: Path, count: int, chance: random.Random) -> list[str]:
    """Write customers with their countries as JSON and return their names."""
    names: dict[str, None] = {}
    while len(names) < count:
        first, last = ("".join(chance.choices(SYLLABLES, k=2)).title() for _ in range(2))
        names[f"{first} {last}"] = None
    customers = [
        {"id": number, "name": name, "country": chance.choice(COUNTRIES)}
        for number, name in enumerate(names, 1)
    ]
    path.write_text(json.dumps(customers), encoding="utf-8")
    return list(names)


def misspell(name: str, chance: random.Random) -> str:
    """Return a name with one letter lost, doubled or changed; never the first."""
    place = chance.randrange(1, len(name))
    middle = chance.choice(("", name[place] * 2, chance.choice("aeiou")))
    return name[:place] + middle + name[place + 1 :]


def make_orders(path: Path, count: int, names: Sequence[str], chance: random.Random) -> None:
    """Write orders as CSV; some spell their customer's name in a way of their own."""
    spellings = [misspell(chance.choice(names), chance) for _ in range(800)]
    customers = chance.choices([*names, *spellings], k=count)
    products = chance.choices(PRODUCTS, k=count)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "date", "customer", "product", "quantity", "price", "note"))
        for number, (customer, product) in enumerate(zip(customers, products, strict=True), 1):
            date = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}"
            price = f"{5 + number * 7919 % 49500 / 100:.2f}"
            note = f"order {number} of the web shop, paid in advance"
            writer.writerow((number, date, customer, product, number % 4 + 1, price, note))


# -- extract ---------------------------------------------------------------------------------------


def read_customers(path: Path) -> dict[str, str]:
    """Return the country of each customer."""
    return {each["name"]: each["country"] for each in json.loads(path.read_bytes())}


def read_orders(path: Path) -> list[Order]:
    """Return all orders at once: this is what takes the memory."""
    orders = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            orders.append(row)
    return orders


# -- transform -------------------------------------------------------------------------------------


def edit_distance(one: str, other: str) -> int:
    """Return how many letters differ (Levenshtein): this is what takes the time."""
    previous = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        current = [row]
        for column, right in enumerate(other, 1):
            change = previous[column - 1] + (left != right)
            current.append(min(change, previous[column] + 1, current[-1] + 1))
        previous = current
    return previous[-1]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is spelt most like this one."""
    return min(known, key=lambda each: edit_distance(name, each))


def mend_names(orders: Sequence[Order], countries: dict[str, str]) -> None:
    """Replace every misspelt customer by the one who was meant."""
    by_letter = defaultdict(list)
    for name in countries:
        by_letter[name[0]].append(name)
    meant: dict[str, str] = {}
    for order in orders:
        name = order["customer"]
        if name in countries:
            continue
        if name not in meant:
            meant[name] = nearest(name, by_letter[name[0]])
        order["customer"] = meant[name]


def add_up(orders: Iterable[Order], countries: dict[str, str]) -> dict[tuple[str, str], float]:
    """Return the revenue of each country and month."""
    revenue: defaultdict[tuple[str, str], float] = defaultdict(float)
    for order in orders:
        country = countries[order["customer"]]
        revenue[country, order["date"][:7]] += int(order["quantity"]) * float(order["price"])
    return dict(revenue)


# -- load ------------------------------------------------------------------------------------------


def write_database(path: Path, orders: Sequence[Order], revenue: dict[tuple[str, str], float]) -> None:
    """Write orders and revenue into a SQLite database."""
    database = sqlite3.connect(path)
    with database:
        database.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, date, customer, product, quantity, price)"
        )
        database.executemany(
            "INSERT INTO orders VALUES (:id, :date, :customer, :product, :quantity, :price)", orders
        )
        database.execute("CREATE TABLE revenue (country, month, revenue REAL)")
        rows = [(country, month, value) for (country, month), value in revenue.items()]
        database.executemany("INSERT INTO revenue VALUES (?, ?, ?)", rows)
    database.close()


def run(folder: Path, count: int) -> None:
    """Run all steps in a folder."""
    chance = random.Random(7)
    step("make the data")
    names = make_customers(folder / "customers.json", 900, chance)
    make_orders(folder / "orders.csv", count, names, chance)
    step("extract")
    countries = read_customers(folder / "customers.json")
    orders = read_orders(folder / "orders.csv")
    step("transform")
    mend_names(orders, countries)
    revenue = add_up(orders, countries)
    step("load")
    write_database(folder / "shop.db", orders, revenue)
    best = max(revenue, key=lambda each: revenue[each])
    print(f"{len(orders)} orders; best month: {best[1]} in {best[0]}, {revenue[best]:,.2f}", flush=True)


def step(name: str) -> None:
    """Say what comes next."""
    print(f"{name} …", flush=True)


def main() -> None:
    """Parse the arguments and run in a temporary folder."""
    parser = argparse.ArgumentParser(description="A small ETL on data that it makes.")
    parser.add_argument("--orders", type=int, default=150_000, help="how many orders (default: 150000)")
    count = parser.parse_args().orders
    with tempfile.TemporaryDirectory(prefix="etl-") as folder:
        run(Path(folder), count)


if __name__ == "__main__":
    main()
