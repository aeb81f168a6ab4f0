"""A school in a real Kolibri: people by its own command, material from a disk, the rest as its own pages make it."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import Any

from fakes.daemon_process import wait_for
from fakes.kolibri_channel import Channel, Node, write_channel
from fakes.kolibri_server import KolibriServer, KolibriUser

__all__ = ["CHANNEL", "EXERCISE", "FACILITY", "LOST", "ODD_NAMES", "School", "prepare", "settle"]

FACILITY = "Example School"
EXERCISE = Node(
    key="exercise",
    title="Cells: exercise",
    kind="exercise",
    file=("perseus", b"PK made-up questions about cells"),
    preset="exercise",
    items=("a", "b", "c"),
)
FILM = Node(
    key="film", title="Cells: film", kind="video", file=("mp4", b"made-up film " * 9000), preset="high_res_video"
)
READER = Node(
    key="reader", title="Cells ../: reader", kind="document", file=("pdf", b"%PDF-1.4 cells"), preset="document"
)
#: items of the tests before and after the unit, and the learning objective that each asks for
_ITEMS = {f"{n}" * 32: [f"{'ab'[n % 2]}" * 32] for n in range(4, 8)}
_TESTS = {
    "assessment_item_ids": list(_ITEMS),
    "version_a_item_ids": list(_ITEMS)[:2],
    "version_b_item_ids": list(_ITEMS)[2:],
}
UNIT = Node(
    key="unit",
    title="Unit one",
    kind="topic",
    options={
        "modality": "UNIT",
        "learning_objectives": [{"id": "a" * 32, "text": "Name a cell"}, {"id": "b" * 32, "text": "Draw a cell"}],
        "assessment_objectives": _ITEMS,
        "completion_criteria": {
            "model": "mastery",
            "threshold": {"mastery_model": "pre_post_test", "pre_post_test": _TESTS},
        },
    },
    children=(
        Node(
            key="course lesson",
            title="Cells, slowly",
            kind="topic",
            options={"modality": "LESSON"},
            children=(
                Node(
                    key="slow film",
                    title="Slow film",
                    kind="video",
                    file=("mp4", b"slow film"),
                    preset="high_res_video",
                ),
            ),
        ),
    ),
)
COURSE = Node(key="course", title="A course", kind="topic", options={"modality": "COURSE"}, children=(UNIT,))
CHANNEL = Channel(name="Life science", nodes=(EXERCISE, FILM, READER, COURSE))
#: a resource of a channel that this Kolibri does not have
LOST = {"content_id": "1" * 32, "channel_id": "2" * 32, "contentnode_id": "3" * 32}

#: titles that mean harm, and that Kolibri takes
ODD_NAMES = (
    "../../../etc/passwd",
    "..\\..\\boot.ini",
    "right-to-left \u202egnp.exe",
    "cafe\u0301 and caf\u00e9.txt",
    "<script>alert(1)</script>.html",
    "100% & more? #1 + 'quotes' \"here\".txt",
    "bell\x07 and escape\x1b[2J.txt",
    "line\nbreak.txt",
    "n" * 46 + ".txt",
    "..",
)

_HEADER = (
    "Database ID (UUID)",
    "Username (USERNAME)",
    "Password (PASSWORD)",
    "Full name (FULL_NAME)",
    "User type (USER_TYPE)",
    "Identifier (IDENTIFIER)",
    "Birth year (BIRTH_YEAR)",
    "Gender (GENDER)",
    "Learner enrolled in (ENROLLED_IN)",
    "Assigned to (ASSIGNED_TO)",
)
_BIOLOGY, _PHYSICS, _ODD = "Biology 2025", "Physics 2026", "Ke/mi <b>../2025</b> 🧪"
#: user name, type, identifier, classes as learner, classes as coach
_PEOPLE = (
    ("archive", "FACILITY_COACH", "", "", ""),
    ("coach", "CLASS_COACH", "T-1", "", f"{_BIOLOGY},{_ODD}"),
    ("ada", "LEARNER", "S-1", f"{_BIOLOGY},{_PHYSICS}", ""),
    ("ben", "LEARNER", "S-2", _BIOLOGY, ""),
    ("eve", "LEARNER", "", _BIOLOGY, ""),
    ("fay", "LEARNER", "", _BIOLOGY, ""),
    ("cy", "LEARNER", "", f"{_PHYSICS},{_ODD}", ""),
)


@dataclass(kw_only=True)
class School:
    """What the school has, by name."""

    server: KolibriServer
    classes: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    #: a class of another facility on the same server
    foreign: str = ""
    quiz: str = ""
    lesson: str = ""

    @property
    def biology(self) -> str:
        """Return the id of the class that has ended, with something of everything in it."""
        return self.classes[_BIOLOGY]

    @property
    def odd(self) -> str:
        """Return the id of a class that has ended, with a name of odd signs and one of each sort in it."""
        return self.classes[_ODD]


def prepare(server: KolibriServer) -> None:
    """Fill a new Kolibri before it serves: facility, administrator, people, classes, and a channel from a disk."""
    person = ("--superusername", "admin", "--superuserpassword", "admin-pass")
    server.manage("provisiondevice", "--facility", FACILITY, "--preset", "formal", "--language_id", "en", *person)
    people = server.home / "people.csv"
    with people.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for name, kind, identifier, learns, teaches in _PEOPLE:
            row = ["", name, f"{name}-pass", f"{name.title()} Example", kind, identifier, "2010", "FEMALE"]
            writer.writerow([*row, learns, teaches])
    server.manage("bulkimportusers", str(people))
    disk = server.home / "disk"
    write_channel(CHANNEL, disk)
    server.manage("importchannel", "disk", CHANNEL.id, str(disk))
    server.manage("importcontent", "disk", CHANNEL.id, str(disk))


def settle(server: KolibriServer) -> School:
    """Let coaches and learners do what they do in a year."""
    admin = server.user("admin")
    school = School(server=server)
    school.classes = {one["name"]: one["id"] for one in admin.get("/api/auth/classroom/")}
    school.people = {one["username"]: one["id"] for one in admin.get("/api/auth/facilityuser/")}
    _teach(school, server.user("coach"))
    for learner, right in (("ada", (1, 1, 0)), ("ben", (1, 0, 0)), ("eve", (0, 0, 1)), ("fay", (1, 1, 1))):
        _take_quiz(school, server.user(learner), right, whole=learner == "ada")
    _practise(school)
    _take_course(school)
    _teach_little(school)
    _leave(school, admin)
    school.foreign = _found_other_school(admin)
    _hand_out_pictures(admin)
    return school


def _teach(school: School, coach: KolibriUser) -> None:
    class_ = school.biology
    group = coach.post("/api/auth/learnergroup/", name="Frogs", parent=class_)["id"]
    coach.post("/api/auth/membership/", user=school.people["ada"], collection=group)
    resources = [_resource(node) for node in (EXERCISE, FILM, READER)]
    lesson = {"collection": class_, "description": "All about <b>cells</b>", "active": True}
    school.lesson = coach.post(
        "/api/lessons/lesson/", title="Cells", resources=[*resources, LOST], assignments=[class_], **lesson
    )["id"]
    alone = {"assignments": [], "learner_ids": [school.people["ben"]]}
    coach.post("/api/lessons/lesson/", title="Cells again", resources=resources[:1], **lesson, **alone)
    section = {"section_title": "One", "description": "Cells", "questions": _questions()}
    quiz = {"collection": class_, "question_sources": [section]}
    school.quiz = coach.post(
        "/api/exams/exam/", title="Cells quiz", assignments=[class_], draft=False, active=True, **quiz
    )["id"]
    coach.post("/api/exams/exam/", title="A draft", assignments=[group], draft=True, **quiz)
    present = [{"user": school.people["ada"], "present": True}, {"user": school.people["ben"], "present": False}]
    coach.post("/api/attendance/attendancesession/", collection=class_, attendance_records=present)


def _resource(node: Node) -> dict[str, str]:
    return {"content_id": node.content_id, "channel_id": CHANNEL.id, "contentnode_id": node.id}


def _questions() -> list[dict[str, Any]]:
    about = {"exercise_id": EXERCISE.id, "title": EXERCISE.title}
    return [{**about, "question_id": item, "counter_in_exercise": n} for n, item in enumerate(EXERCISE.item_ids, 1)]


def _take_quiz(school: School, learner: KolibriUser, right: tuple[int, ...], *, whole: bool) -> None:
    session = learner.post("/api/logger/trackprogress/", quiz_id=school.quiz)["session_id"]
    answers = [
        _answer(f"{EXERCISE.id}:{item}", correct) for item, correct in zip(EXERCISE.item_ids, right, strict=True)
    ]
    learner.put(f"/api/logger/trackprogress/{session}/", time_spent_delta=60, interactions=answers)
    if whole:
        learner.put(f"/api/logger/trackprogress/{session}/", time_spent_delta=1, progress=1.0)


def _answer(item: str, correct: int) -> dict[str, Any]:
    about = {"time_spent": 20, "answer": {"chosen": correct}, "simple_answer": "A", "complete": True}
    return {"item": item, "correct": correct, **about}


def _practise(school: School) -> None:
    ada, ben = school.server.user("ada"), school.server.user("ben")
    items, model = list(EXERCISE.item_ids), {"type": "m_of_n", "m": 2, "n": 3}
    for repeat in (False, True):  # a second try begins where the first is complete
        _study(school.lesson, ada, _resource(EXERCISE), "exercise", items, mastery_model=model, repeat=repeat)
    _study(school.lesson, ada, _resource(FILM), "video", [])
    _study(school.lesson, ben, LOST, "exercise", ["q1"], mastery_model={"type": "do_all"})


def _study(
    lesson: str, learner: KolibriUser, resource: dict[str, str], kind: str, items: list[str], **more: Any
) -> None:
    about = {"node_id": resource["contentnode_id"], **{key: resource[key] for key in ("content_id", "channel_id")}}
    started = learner.post("/api/logger/trackprogress/", lesson_id=lesson, kind=kind, **about, **more)
    done: dict[str, Any] = {"time_spent_delta": 30, "progress": 1.0}
    if items:
        done["interactions"] = [_answer(item, 1) for item in items]
    learner.put(f"/api/logger/trackprogress/{started['session_id']}/", **done)


def _take_course(school: School) -> None:
    """Assign the course, open the test before its unit; one learner ends it, another looks and answers nothing."""
    coach, class_ = school.server.user("coach"), school.biology
    session = coach.post("/api/courses/coursesession/", course=COURSE.id, collection=class_, assignments=[class_])["id"]
    test = {"unit_contentnode_id": UNIT.id, "test_type": "pre"}
    coach.post(f"/api/courses/coursesession/{session}/activate_test/", **test)
    about = {"unit_id": UNIT.id, "course_session_id": session, "test_type": "pre"}
    for name, progress in (("ada", 1.0), ("ben", 0.5)):
        learner = school.server.user(name)
        begun = learner.post("/api/logger/trackprogress/", **about)["session_id"]
        if progress == 1:
            answers = [_answer(item, 1) for item in list(_ITEMS)[:1]]
            learner.put(f"/api/logger/trackprogress/{begun}/", time_spent_delta=9, interactions=answers)
        learner.put(f"/api/logger/trackprogress/{begun}/", progress=progress)
    (film,) = UNIT.children[0].children
    about = {"node_id": film.id, "content_id": film.content_id, "channel_id": CHANNEL.id}
    begun = school.server.user("ada").post(
        "/api/logger/trackprogress/", course_session_id=session, kind=film.kind, **about
    )
    school.server.user("ada").put(f"/api/logger/trackprogress/{begun['session_id']}/", progress=1.0)


def _teach_little(school: School) -> None:
    """Put one of each into the class with the odd name, so that tests that read a class often read little."""
    coach, cy, class_ = school.server.user("coach"), school.server.user("cy"), school.odd
    made = {"collection": class_, "assignments": [class_], "active": True}
    lesson = coach.post("/api/lessons/lesson/", title=ODD_NAMES[0], resources=[_resource(EXERCISE)], **made)["id"]
    for title in ODD_NAMES[1:]:
        coach.post("/api/lessons/lesson/", title=title, resources=[], **made)
    section = {"section_title": "", "questions": _questions()[:1]}
    quiz = coach.post("/api/exams/exam/", title="Quiz: ..\\?", question_sources=[section], draft=False, **made)["id"]
    begun = cy.post("/api/logger/trackprogress/", quiz_id=quiz)["session_id"]
    answers = [_answer(f"{EXERCISE.id}:{EXERCISE.item_ids[0]}", 1)]
    cy.put(f"/api/logger/trackprogress/{begun}/", progress=1.0, interactions=answers)
    _study(lesson, cy, _resource(EXERCISE), "exercise", EXERCISE.item_ids, mastery_model={"type": "do_all"})
    coach.post(
        "/api/attendance/attendancesession/",
        collection=class_,
        attendance_records=[{"user": school.people["cy"], "present": True}],
    )


def _leave(school: School, admin: KolibriUser) -> None:
    """Let one learner leave the class, and delete the account of another."""
    (membership,) = admin.get("/api/auth/membership/", user=school.people["eve"], collection=school.biology)
    admin.delete(f"/api/auth/membership/{membership['id']}/")
    admin.delete(f"/api/auth/facilityuser/{school.people['fay']}/")


def _hand_out_pictures(admin: KolibriUser) -> None:
    """Let learners sign in with pictures, and wait until each has some."""
    (facility,) = [one for one in admin.get("/api/auth/facility/") if one["name"] == FACILITY]
    place = f"/api/auth/facilitydataset/{facility['dataset']['id']}/save-facility-login-settings/"
    admin.patch(place, picture_password_settings={"icon_style": "standard", "show_icon_text": True})

    def handed_out() -> bool:
        learners = admin.get("/api/auth/facilityuser/", member_of=facility["id"], user_type="learner")
        return all(one["picture_password"] for one in learners)

    wait_for("pictures to sign in with", handed_out)


def _found_other_school(admin: KolibriUser) -> str:
    admin.post("/api/auth/facility/create_facility/", name="Other School", preset="formal")
    (other,) = [one["id"] for one in admin.get("/api/auth/facility/") if one["name"] == "Other School"]
    return str(admin.post("/api/auth/classroom/", name="History 2025", parent=other)["id"])
