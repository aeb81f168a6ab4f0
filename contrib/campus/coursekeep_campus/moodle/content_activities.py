"""All other activities, each with what people did in it."""

from __future__ import annotations

from coursekeep_campus.moodle import content_peers
from coursekeep_campus.moodle.builder import Builder
from coursekeep_campus.moodle.model import Doc

__all__ = ["fill"]


def fill(builder: Builder, sections: list[int]) -> None:
    """Put one of each other type into the course, and one of a type that no function reads."""
    _choice(builder, sections[0])
    _feedback(builder, sections[0], "Evaluation", anonymous=False)
    _feedback(builder, sections[0], "Anonymous evaluation", anonymous=True)
    _glossary(builder, sections[1])
    _wiki(builder, sections[1])
    _lesson(builder, sections[2])
    content_peers.workshop(builder, sections[2])
    content_peers.database(builder, sections[3])
    _scorm(builder, sections[3])
    _h5p(builder, sections[3])
    _chat(builder, sections[3])
    _survey(builder, sections[3])
    builder.activity("lti", "External tool", sections[3], toolurl="https://tool.example.org/launch", password="")
    builder.activity("bigbluebuttonbn", "Meeting", sections[3], moderatorpass="m", viewerpass="v")
    builder.activity("hvp", "A plugin's activity", sections[3])
    _about(builder)


def _choice(builder: Builder, section: int) -> None:
    one = builder.activity("choice", "Pick a date", section, timeopen=builder.at(3), timeclose=builder.at(5))
    chosen = {1: builder.students[:3], 2: builder.students[3:4]}
    options = [_option(builder, builder.id(), f"Option {number}", users) for number, users in chosen.items()]
    left = _option(builder, 0, "Not answered yet", builder.students[4:])
    # One chose in secret: counted, but not named.
    hidden = {**_option(builder, builder.id(), "Option 3", []), "numberofuser": 1}
    one.data["options"] = [left, *options, hidden]


def _option(builder: Builder, number: int, name: str, users: list[int]) -> Doc:
    responses = [
        {
            "userid": user,
            "fullname": builder.name_of(user),
            "profileimageurl": "https://moodle.example/picture",
            "answerid": builder.id() if number else None,
            "timemodified": builder.at(4),
        }
        for user in users
    ]
    counts = {"numberofuser": len(users), "percentageamount": 10.0}
    return {"id": number, "text": name, "maxanswer": 0, "userresponses": responses, **counts}


def _feedback(builder: Builder, section: int, name: str, *, anonymous: bool) -> None:
    one = builder.activity("feedback", name, section, anonymous=1 if anonymous else 2, timeopen=0, timeclose=0)
    items: list[Doc] = [
        {
            "id": builder.id(),
            "feedback": one.id,
            "template": 0,
            "name": f"Question {number}",
            "label": f"q{number}",
            "presentation": "r>>>>>good|bad",
            "typ": "multichoice",
            "hasvalue": 1,
            "position": number,
            "required": False,
            "dependitem": 0,
            "dependvalue": "",
            "options": "h",
            "itemfiles": [],
        }
        for number in (1, 2)
    ]
    answers = [[{"id": item["id"], "name": item["name"], "printval": "good", "rawval": "1"} for item in items]] * 12
    people = [*builder.students, builder.students[0], builder.teacher, 2001, builder.students[1]]
    named = [
        {
            "id": builder.id(),
            "courseid": builder.course.id,
            "userid": user,
            "timemodified": builder.at(6),
            "fullname": builder.name_of(user),
            "responses": responses,
        }
        for user, responses in zip(people, answers, strict=True)
    ]
    hidden = [
        {"id": builder.id(), "courseid": builder.course.id, "number": number, "responses": responses}
        for number, responses in enumerate(answers, 1)
    ]
    one.data = {"items": items, "attempts": [] if anonymous else named, "anonymous": hidden if anonymous else []}


def _glossary(builder: Builder, section: int) -> None:
    one = builder.activity("glossary", "Terms", section, displayformat="dictionary", defaultapproval=0)
    one.data["entries"] = [
        {
            "id": builder.id(),
            "glossaryid": one.id,
            "userid": builder.students[number % 8],
            "userfullname": builder.name_of(builder.students[number % 8]),
            "userpictureurl": "https://moodle.example/picture",
            "concept": f"Term {number}",
            "definition": f"<p>Means {number}</p>",
            "definitionformat": 1,
            "definitiontrust": False,
            "attachment": number == 0,
            "attachments": [builder.file(one.context, "mod_glossary", "attachment", number, "g.txt", b"g")]
            if number == 0
            else [],
            "timecreated": builder.at(7),
            "timemodified": builder.at(8),
            "teacherentry": False,
            "sourceglossaryid": 0,
            "usedynalink": True,
            "casesensitive": False,
            "fullmatch": True,
            "approved": number % 5 != 4,
            "tags": [],
        }
        for number in range(23)
    ]


def _wiki(builder: Builder, section: int) -> None:
    one = builder.activity("wiki", "Notebook", section, wikimode="collaborative", firstpagetitle="Start", groupmode=1)
    group = builder.course.groups[0]["id"]
    subwikis = [{"id": builder.id(), "wikiid": one.id, "groupid": g, "userid": 0, "canedit": False} for g in (0, group)]
    pages: dict[tuple[int, int], list[Doc]] = {}
    files: dict[tuple[int, int], list[Doc]] = {}
    for subwiki in subwikis:
        key = (subwiki["groupid"], 0)
        pages[key] = [_wiki_page(builder, subwiki["id"], number) for number in range(2)]
        files[key] = [
            builder.file(one.context, "mod_wiki", "attachments", subwiki["id"], "sketch.png", b"\x89PNG sketch")
        ]
    one.data = {"subwikis": subwikis, "pages": pages, "files": files}


def _wiki_page(builder: Builder, subwiki: int, number: int) -> Doc:
    return {
        "id": builder.id(),
        "subwikiid": subwiki,
        "title": f"Wiki page {number}",
        "timecreated": builder.at(9),
        "timemodified": builder.at(10),
        "timerendered": builder.at(10),
        "userid": builder.students[number],
        "pageviews": 3,
        "readonly": 0,
        "caneditpage": False,
        "firstpage": number == 0,
        "cachedcontent": f"<h2>Wiki {number}</h2>",
        "contentformat": 1,
        "contentsize": None,
        "tags": [],
    }


def _lesson(builder: Builder, section: int) -> None:
    one = builder.activity("lesson", "Step by step", section, available=builder.at(10), deadline=builder.at(30))
    # The list of lessons holds the password only for managers.
    one.doc["password"] = "made-up"  # noqa: S105  # no secret of anybody
    pages, data = [], {}
    for number in (1, 2):
        page: Doc = {
            "id": builder.id(),
            "lessonid": one.id,
            "prevpageid": 0,
            "nextpageid": 0,
            "qtype": 3,
            "qoption": False,
            "layout": True,
            "display": True,
            "timecreated": builder.at(10),
            "timemodified": builder.at(10),
            "title": f"Step {number}",
            "typestring": "Multichoice",
        }
        pages.append({"page": page, "answerids": [], "jumps": [], "filescount": 1, "filessizetotal": 3})
        file = builder.file(one.context, "mod_lesson", "page_contents", page["id"], "step.png", b"png")
        answers = [{"id": builder.id(), "answerfiles": [], "responsefiles": [], "answer": "yes", "response": "right"}]
        data[page["id"]] = {
            "page": {**page, "contents": f"<p>Think about {number}</p>", "contentsformat": 1},
            "newgrade": 0,
            "pagecontent": "",
            "contentfiles": [file],
            "answers": answers,
            "messages": [],
            "displaymenu": False,
            "warnings": [],
        }
    one.data = {"pages": pages, "page_data": data, **_lesson_attempts(builder)}


def _lesson_attempts(builder: Builder) -> Doc:
    students, attempts = [], {}
    for place, user in enumerate(builder.students[:3]):
        tries = [0, 1] if place == 0 else [0]
        students.append(
            {
                "id": user,
                "fullname": builder.name_of(user),
                "bestgrade": 80.0,
                "attempts": [
                    {"try": t, "grade": 70.0 + t, "timestart": builder.at(11), "timeend": builder.at(11.1), "end": 1}
                    for t in tries
                ],
            }
        )
        for number in tries:
            answer = {"score": "1", "response": "right", "answers": [["yes", "100 %"]]}
            page = {"title": "Step 1", "contents": "<p>Think</p>", "qtype": "Multichoice", "answerdata": answer}
            stats = {"grade": 70.0, "completed": 1, "timetotake": 60}
            attempts[user, number] = {"answerpages": [page], "userstats": stats, "warnings": []}
    return {
        "overview": {"data": {"lessonscored": True, "students": students}, "warnings": []},
        "user_attempts": attempts,
    }


def _scorm(builder: Builder, section: int) -> None:
    one = builder.activity("scorm", "Training", section, timeopen=0, timeclose=0, version="SCORM_1.2", maxgrade=100)
    package = builder.file(one.context, "mod_scorm", "package", 0, "training.zip", b"PK training")
    one.doc |= {"packageurl": package["fileurl"], "packagesize": package["filesize"]}
    one.data["scoes"] = [{"id": builder.id(), "scorm": one.id, "title": "Part", "identifier": "i1", "launch": "a.html"}]


def _h5p(builder: Builder, section: int) -> None:
    one = builder.activity("h5pactivity", "Interactive video", section, grade=10, enabletracking=1)
    one.doc["package"] = [builder.file(one.context, "mod_h5pactivity", "package", 0, "video.h5p", b"PK video")]
    results, users = [], []
    for user in builder.students[:2]:
        attempt = {
            "id": builder.id(),
            "h5pactivityid": one.id,
            "userid": user,
            "timecreated": builder.at(14),
            "timemodified": builder.at(14.1),
            "attempt": 1,
            "rawscore": 7,
            "maxscore": 10,
            "duration": 60,
            "completion": 1,
            "success": 1,
            "scaled": 0.7,
        }
        users.append({"userid": user, "attempts": [attempt]})
        answer = {
            "id": builder.id(),
            "interactiontype": "choice",
            "description": "Which?",
            "rawscore": 1,
            "maxscore": 1,
        }
        results.append({**attempt, "results": [answer]})
    one.data = {"attempts": users, "results": results}


def _chat(builder: Builder, section: int) -> None:
    one = builder.activity("chat", "Office hour", section, chattime=0, keepdays=0, studentlogs=1)
    messages = [
        {
            "id": builder.id(),
            "chatid": one.id,
            "userid": user,
            "groupid": 0,
            "issystem": False,
            "message": f"Hello from {user}",
            "timestamp": builder.at(16) + place,
        }
        for place, user in enumerate(builder.students[:3])
    ]
    one.data["sessions"] = [(builder.at(16), builder.at(16) + 3, messages)]


def _survey(builder: Builder, section: int) -> None:
    one = builder.activity("survey", "Attitudes", section, template=17, questions="43")
    one.data["questions"] = [
        {"id": 43, "text": "attls1", "shorttext": "attls1s", "multi": "", "type": 1, "options": ""}
    ]


def _about(builder: Builder) -> None:
    course = builder.course
    course.events.append(
        {
            "id": builder.id(),
            "name": "Excursion",
            "description": "<p>Bring boots</p>",
            "format": 1,
            "courseid": course.id,
            "categoryid": 0,
            "groupid": 0,
            "userid": builder.teacher,
            "repeatid": None,
            "modulename": None,
            "instance": None,
            "eventtype": "course",
            "timestart": builder.at(33),
            "timeduration": 3600,
            "visible": 1,
            "timemodified": builder.at(1),
            "subscriptionid": None,
        }
    )
    course.notes.append(
        {
            "id": builder.id(),
            "courseid": course.id,
            "userid": builder.students[0],
            "content": "Needs more time",
            "format": 1,
            "created": builder.at(20),
            "lastmodified": builder.at(20),
            "usermodified": builder.teacher,
            "publishstate": "public",
        }
    )
