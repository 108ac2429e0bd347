"""Several findings that change together, on a server that writes one document at a time.

The others are locked, the leader is written with what all become, the others follow: see `elasticsearch_kept`. The
write of the leader decides: before it nothing has changed, after it whoever comes by does the rest.
"""

import time
from collections.abc import Mapping

from secops.store.elasticsearch_course import Course
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_kept import By, Kept, Lock, kept_of, locked_document, plan_of
from secops.store.elasticsearch_reading import reached
from secops.store.elasticsearch_server import Action, Found, Result, Status

_SECONDS_TO_DECIDE = 20.0
"""After locking; others wait three times as long before they take us for dead."""


def write_together(course: Course, leader: Kept, others: Mapping[str, Kept]) -> Result:
    """What became of all of them. Unless it is OK, nothing was changed."""
    number = max(number for one in (leader, *others.values()) for number in one.by)
    by: By = (course.outbox, number)
    started = time.monotonic()
    locked, result = _lock(course, Lock(by, leader.finding.id), others)
    if result.status is Status.OK and time.monotonic() - started < _SECONDS_TO_DECIDE:
        document = leader.document(plan_of(by, others))
        (result,) = course.sender.send([_over(course, leader, document)])
        if result.status is Status.CONFLICT and reached(course, {leader.finding.id: number}):
            # It conflicts with itself: the answer to an earlier request that brought it was lost.
            result = Result(Status.OK)
    if result.status is not Status.OK:
        _unlock(course, locked)
        return result
    leader.found = _as_written(leader.finding.id, result)
    actions = [_over(course, one, one.document(), locked[id]) for id, one in others.items()]
    for (id, one), then in zip(others.items(), course.sender.send(actions), strict=True):
        # A conflict: somebody was quicker to finish it.
        one.found = _as_written(id, then) if then.status is Status.OK else None
    return result


def _lock(course: Course, lock: Lock, others: Mapping[str, Kept]) -> tuple[dict[str, Found], Result]:
    """The locked documents as they are then, and the worst result."""
    alias = course.indices.alias(Kind.FINDINGS)
    there = course.indices.server.get(alias, others)
    changed = [id for id, one in others.items() if one.found is None or not _is_as(there.get(id), one.found)]
    if changed:
        return {}, Result(Status.CONFLICT, changed[0])
    course.lagging = True
    actions = [_as_found(course, one, lock) for one in there.values()]
    results = dict(zip(there, course.sender.send(actions), strict=True))
    doubtful = [id for id, result in results.items() if result.status is Status.CONFLICT]
    for id, found in course.indices.server.get(alias, doubtful).items() if doubtful else ():
        if kept_of(found).lock == lock:
            # It conflicts with itself, likewise.
            results[id] = Result(Status.OK, "", found.index, found.seq_no, found.primary_term)
    locked = {
        id: Found(id, there[id].source, result.index, result.seq_no, result.primary_term)
        for id, result in results.items()
        if result.status is Status.OK
    }
    return locked, next((result for id, result in results.items() if id not in locked), Result(Status.OK))


def _as_written(id: str, result: Result) -> Found | None:
    """None: it is not known how it stands on the server."""
    return Found(id, {}, result.index, result.seq_no, result.primary_term) if result.index else None


def _unlock(course: Course, locked: Mapping[str, Found]) -> None:
    course.sender.send([_as_found(course, one, None) for one in locked.values()])


def _as_found(course: Course, one: Found, lock: Lock | None) -> Action:
    return Action(course.indices.own(one.index), one.id, locked_document(one.source, lock), one)


def _is_as(now: Found | None, found: Found) -> bool:
    return now is not None and (now.seq_no, now.primary_term, now.index) == (
        found.seq_no,
        found.primary_term,
        found.index,
    )


def _over(course: Course, one: Kept, document: dict[str, object], found: Found | None = None) -> Action:
    over = found or one.found
    if over is None:
        return Action(course.indices.alias(Kind.FINDINGS), one.finding.id, document)
    return Action(course.indices.own(over.index), one.finding.id, document, over)
