"""Create the people of the permission tests in the FAB database of the Airflow that runs this.

Their passwords are their names. Run by the Python of that Airflow: `python people.py DAG_ID`, where
DAG_ID is the one DAG that some of them may see.
"""

from __future__ import annotations

import sys

COMMON = [
    ("can_read", "Website"),
    ("can_read", "DAG Runs"),
    ("can_read", "Task Instances"),
    ("can_read", "Plugins"),
    ("can_read", "My Profile"),
    ("menu_access", "Profiles"),
    ("menu_access", "Browse"),
    ("menu_access", "DAGs"),
]


def roles(dag_id: str) -> dict[str, list[tuple[str, str]]]:
    """Return what each role may do."""
    dag = f"DAG:{dag_id}"
    viewer = [*COMMON, ("can_read", dag)]
    return {
        "viewer_of_one": [*viewer, ("can_read", "DAG Code")],
        "without_code": viewer,
        "without_task_instances": [each for each in viewer if each[1] != "Task Instances"],
        "editor_of_one": [
            *viewer,
            ("can_read", "DAG Code"),
            ("can_edit", dag),
            ("can_edit", "Task Instances"),
            ("can_edit", "DAG Runs"),
            ("can_create", "DAG Runs"),
        ],
        "nobody": [("can_read", "Website")],
    }


BUILT_IN = {"viewer_of_all": "Viewer", "operator": "Op", "admin": "Admin"}


def main(dag_id: str) -> None:
    """Create roles and people."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        for name, allowed in roles(dag_id).items():
            role = manager.add_role(name)
            for action, resource in allowed:
                manager.add_permission_to_role(role, manager.create_permission(action, resource))
        for name in [*roles(dag_id), *BUILT_IN]:
            role = manager.find_role(BUILT_IN.get(name, name))
            made = manager.add_user(name, name, "Person", f"{name}@example.org", role, password=name)
            if not made:
                raise SystemExit(f"could not create {name}")


if __name__ == "__main__":
    main(sys.argv[1])
