"""Settle the numbers of one capture: what was used during the recording, and what to know of it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from profilerkit_resources.loading import OwnWords, Recorded

WHOLE_SECONDS = 2.0
"""A process younger than this at the first look is taken to be recorded from its birth."""


@define
class Account:
    """The numbers of one capture, less what was used before the recording."""

    recorded: Recorded

    def summary(self) -> dict[str, float | None]:
        """Return the numbers of the whole recording, None where unknown."""
        user_seconds, system_seconds = self._cpu_seconds()
        container = self.recorded.container
        return {
            "peak_rss_bytes": self._peak_rss_bytes(),
            "peak_rss_process_bytes": self._peak_rss_process_bytes(),
            "peak_pss_bytes": self._highest("pss_bytes"),
            "cpu_seconds": _sum(user_seconds, system_seconds),
            "user_seconds": user_seconds,
            "system_seconds": system_seconds,
            "peak_threads": self._highest("threads"),
            "peak_processes": self._highest("processes"),
            "read_bytes": self._used("read_bytes"),
            "written_bytes": self._used("written_bytes"),
            "container_limit_bytes": container.limit_bytes if container else None,
            "container_peak_bytes": self._container_peak_bytes(),
            "container_oom_kills": container.oom_kills if container else None,
        }

    @property
    def is_whole(self) -> bool:
        """Tell whether the process was recorded from its birth."""
        first = self.recorded.first
        return first is not None and first.age_seconds <= WHOLE_SECONDS

    # -- memory ----------------------------------------------------------------------------------

    def _peak_rss_process_bytes(self) -> float | None:
        highest = self._highest("process_peak_rss_bytes") or 0
        return max(highest, self._own_kernel_peak_bytes()) or None

    def _peak_rss_bytes(self) -> float | None:
        """Return the most that the tree used at one time."""
        seen_bytes = self._highest("peak_rss_bytes") or 0
        own_bytes = self._own_kernel_peak_bytes()
        if own_bytes > (self._highest("process_peak_rss_bytes") or 0):
            # It came after the last look: what the others had then was still there.
            lived = [each for each in self.recorded.samples if each.own_rss_bytes]
            own_bytes += lived[-1].rss_bytes - lived[-1].own_rss_bytes if lived else 0
        return max(seen_bytes, own_bytes) or None

    def _own_kernel_peak_bytes(self) -> int:
        """Return the kernel's peak of the recorded process if it was reached in the recording, else 0."""
        first, goodbye, at_start = self.recorded.first, self.recorded.goodbye, self.recorded.at_start
        before_bytes = 0
        if at_start is not None:
            before_bytes = at_start.peak_rss_bytes
        elif first is not None and not self.is_whole:
            before_bytes = first.peak_rss_bytes
        known = [first.peak_rss_bytes if first else 0, goodbye.peak_rss_bytes if goodbye else 0]
        return max((each for each in known if each > before_bytes), default=0)

    def _container_peak_bytes(self) -> float | None:
        container = self.recorded.container
        kernel_bytes = container.peak_bytes if container else None
        return max(kernel_bytes or 0, self._highest("container_bytes") or 0) or None

    # -- what only rises ---------------------------------------------------------------------------

    def _cpu_seconds(self) -> tuple[float | None, float | None]:
        own_before = self._own_cpu_before()
        goodbye = self.recorded.goodbye
        found: list[float | None] = []
        for name in ("user_seconds", "system_seconds"):
            seen = self._used(name)
            said = None
            if goodbye is not None and own_before is not None:
                said = max(0.0, getattr(goodbye, name) - getattr(own_before, name))
            known = [each for each in (seen, said) if each is not None]
            found.append(max(known, default=None))
        return found[0], found[1]

    def _own_cpu_before(self) -> OwnWords | None:
        """Return the time of the recorded process before the recording, None when it is unknown."""
        first = self.recorded.first
        if self.recorded.at_start is not None:
            return self.recorded.at_start
        if self.is_whole:
            return OwnWords(0, 0.0, 0.0)
        return OwnWords(0, first.own_user_seconds, first.own_system_seconds) if first else None

    def before(self, name: str) -> float:
        """Return what a rising column had counted when the recording began."""
        samples, first, at_start = self.recorded.samples, self.recorded.first, self.recorded.at_start
        if not samples:
            return 0.0
        counted = getattr(samples[0], name) or 0.0
        if at_start is not None and first is not None and name in ("user_seconds", "system_seconds"):
            since_start = getattr(first, f"own_{name}") - getattr(at_start, name)
            return float(max(0.0, counted - max(0.0, since_start)))
        return 0.0 if self.is_whole else float(counted)

    def _used(self, name: str) -> float | None:
        highest = self._highest(name)
        return None if highest is None else max(0.0, highest - self.before(name))

    def _highest(self, name: str) -> float | None:
        if self.recorded.first is None and not name.startswith("container"):
            return None
        return max(
            (value for each in self.recorded.samples if (value := getattr(each, name)) is not None),
            default=None,
        )

    # -- what to know ------------------------------------------------------------------------------

    def notes(self) -> Iterator[str]:
        """Yield what a reader of these numbers should know."""
        recorded = self.recorded
        if recorded.first is None:
            own = "; its memory is what it said itself" if recorded.at_start or recorded.goodbye else ""
            yield f"The process was never seen: it had ended before the first look at it{own}."
        elif not self.is_whole and recorded.at_start is None:
            yield (
                f"The process was {recorded.first.age_seconds:.0f} s old at the first look: peaks and CPU "
                "time from before are not counted."
            )
        if recorded.end is None:
            yield "The recorder was cut off: what came after its last line is missing."
        elif recorded.goodbye is None and recorded.first is not None:
            unseen = recorded.end.at_seconds - recorded.end.alive_seconds
            if unseen > 0:
                yield (
                    f"The process ended without a last word, at most {unseen:.2f} s after it was last "
                    "seen: what it used in that time is not counted."
                )
        if recorded.damaged_lines:
            yield f"{recorded.damaged_lines} lines of the capture are damaged and were left out."
        yield from self._memory_notes()
        yield from self._container_notes()
        if recorded.first is not None and self._highest("read_bytes") is None:
            yield "Bytes read and written are unknown: the kernel does not show them for this process."

    def _memory_notes(self) -> Iterator[str]:
        if (self._highest("processes") or 0) < 2:
            return
        yield "RSS of processes is added up: pages that they share count once for each."
        measured = [each for each in self.recorded.samples if each.pss_bytes is not None]
        if measured:
            highest = max(measured, key=lambda each: each.pss_bytes or 0)
            yield (
                f"PSS counts shared pages once. It was measured {len(measured)} times, and was highest when "
                f"RSS was {_mebibytes(highest.rss_bytes)}; it may have been higher in between."
            )
        largest = sorted(self.recorded.processes.values(), key=lambda each: -each.peak_rss_bytes)[:5]
        named = [f"{each.command} ({each.pid}) {_mebibytes(each.peak_rss_bytes)}" for each in largest]
        yield f"Largest processes: {', '.join(named)}."

    def _container_notes(self) -> Iterator[str]:
        container = self.recorded.container
        if container is None:
            return
        shared = "The container's numbers hold file cache"
        if container.limit_bytes is not None and container.other_processes:
            yield f"{shared}, and those of up to {container.other_processes} other processes in it."
        elif container.limit_bytes is not None:
            yield f"{shared}; no other processes were seen in it."
        if container.oom_kills:
            yield f"The kernel killed {container.oom_kills} processes of the container for lack of memory."


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.0f} MiB"
