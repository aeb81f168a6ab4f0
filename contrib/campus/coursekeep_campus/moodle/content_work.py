"""What is asked of students and what they did: assignments, quizzes, forums."""

from __future__ import annotations

from coursekeep_campus.moodle.builder import Builder
from coursekeep_campus.moodle.model import Activity, Doc

__all__ = ["fill"]

#: somebody who left the course, and is no longer enrolled
_GONE = 2001


def fill(builder: Builder, sections: list[int]) -> None:
    """Put assignments, quizzes and forums into the course."""
    _assign(builder, sections[1], "Essay")
    _team(builder, sections[2])
    _assign(builder, sections[3], "Not yet", empty=True)
    _quiz(builder, sections[2])
    _forum(builder, sections[0], "news", "Announcements")
    _forum(builder, sections[1], "general", "Questions")


def _assign(builder: Builder, section: int, name: str, *, empty: bool = False) -> Activity:
    one = builder.activity(
        "assign",
        name,
        section,
        nosubmissions=0,
        duedate=builder.at(40),
        allowsubmissionsfromdate=builder.at(10),
        cutoffdate=0,
        grade=100,
        teamsubmission=0,
        blindmarking=0,
        maxattempts=-1,
        attemptreopenmethod="manual",
        markingworkflow=0,
        configs=[{"plugin": "file", "subtype": "assignsubmission", "name": "enabled", "value": "1"}],
    )
    one.doc["cmid"] = one.doc.pop("coursemodule")
    brief = builder.file(one.context, "mod_assign", "introattachment", 0, "brief.txt", b"the brief")
    one.doc["introattachments"] = [brief]
    one.data = {"submissions": [], "grades": [], "status": {}, "flags": [], "mappings": []}
    if not empty:
        for place, user in enumerate([*builder.students, _GONE]):
            _submit(builder, one, user, place)
        one.data["flags"] = [_flag(builder, builder.students[0])]
        _rubric(builder, one)
    return one


def _rubric(builder: Builder, one: Activity) -> None:
    """Grade with a rubric of one criterion, filled in for every grade."""
    levels = [{"id": builder.id(), "score": score, "definition": f"Level {score}"} for score in (0, 50)]
    criterion = {"id": builder.id(), "sortorder": 1, "description": "Argument", "levels": levels}
    rubric = {"rubric_criteria": [criterion]}
    one.data["rubric"] = {
        "id": builder.id(),
        "method": "rubric",
        "name": "Essay rubric",
        "status": 20,
        "rubric": rubric,
    }
    filled = {"criterionid": criterion["id"], "levelid": levels[1]["id"], "remark": "clear"}
    one.data["fillings"] = [
        {
            "id": builder.id(),
            "raterid": builder.teacher,
            "itemid": grade["id"],
            "rawgrade": grade["grade"],
            "status": 1,
            "rubric": {"criteria": [filled]},
            "timemodified": builder.at(31),
        }
        for grade in one.data["grades"]
    ]


def _flag(builder: Builder, user: int) -> Doc:
    rest = {"mailed": 1, "workflowstate": "", "allocatedmarker": 0}
    return {"id": builder.id(), "userid": user, "locked": 0, "extensionduedate": builder.at(45), **rest}


def _submit(builder: Builder, one: Activity, user: int, place: int) -> None:
    """Hand in: the first of all in three attempts, the last not at all, one reopened without files."""
    if place == 7:
        return
    last = 2 if place == 0 else 1 if place == 1 else 0
    attempts = [_attempt(builder, one, user, number) for number in range(last if place == 1 else last + 1)]
    if place == 1:
        # The attempt that was opened again has nothing in it yet.
        blank = {"status": "reopened", "gradingstatus": "notgraded", "attemptnumber": 1, "id": builder.id()}
        attempts.append({**attempts[0], **blank, "plugins": [{"type": "comments", "name": "Submission comments"}]})
    newest = attempts[-1]
    one.data["submissions"].append(newest)
    grades = [_grade(builder, user, number, 50.0 + place + number) for number in range(last + 1)]
    if place in (1, 3):
        grades.pop()
    if grades and place != 1:
        one.data["grades"].append(grades[-1])
    earlier = [
        {
            "attemptnumber": number,
            "submission": attempts[number],
            "grade": grades[number],
            "feedbackplugins": _feedback(builder, one, user, number),
        }
        for number in range(last)
    ]
    status: Doc = {"gradingsummary": None, "lastattempt": {"submission": newest, "graded": place not in (1, 3)}}
    if place not in (1, 3):
        plugins = _feedback(builder, one, user, last)
        status["feedback"] = {"grade": grades[-1], "gradefordisplay": "x", "gradeddate": 1, "plugins": plugins}
    one.data["status"][user] = {**status, "previousattempts": earlier, "warnings": []}


def _attempt(builder: Builder, one: Activity, user: int, number: int) -> Doc:
    submission = builder.id()
    name = f"Arbeit ü ({number}).txt"
    data = f"work {number} of user {user}".encode()
    file = builder.file(one.context, "assignsubmission_file", "submission_files", submission, name, data)
    text = {"name": "onlinetext", "description": "Online text", "text": f"<p>Text {number}</p>", "format": 1}
    return {
        "id": submission,
        "userid": user,
        "attemptnumber": number,
        "timecreated": builder.at(20 + number),
        "timemodified": builder.at(21 + number),
        "timestarted": None,
        "status": "submitted",
        "groupid": 0,
        "assignment": one.id,
        "latest": 1,
        "plugins": [
            {"type": "file", "name": "File submissions", "fileareas": [{"area": "submission_files", "files": [file]}]},
            {
                "type": "onlinetext",
                "name": "Online text",
                "fileareas": [{"area": "submissions_onlinetext"}],
                "editorfields": [text],
            },
            {"type": "comments", "name": "Submission comments"},
        ],
        "gradingstatus": "graded",
    }


def _grade(builder: Builder, user: int, number: int, grade: float) -> Doc:
    times = {"timecreated": builder.at(30), "timemodified": builder.at(31)}
    rest = {"grader": builder.teacher, "grade": f"{grade:.5f}", "gradefordisplay": f"{grade:.2f}"}
    return {"id": builder.id(), "userid": user, "attemptnumber": number, **times, **rest}


def _feedback(builder: Builder, one: Activity, user: int, number: int) -> list[Doc]:
    file = builder.file(
        one.context, "assignfeedback_file", "feedback_files", builder.id(), "marked.txt", f"marked {user}".encode()
    )
    comment = {"name": "comments", "description": "Feedback comments", "text": f"<p>Good {number}</p>", "format": 1}
    return [
        {"type": "comments", "name": "Feedback comments", "fileareas": [], "editorfields": [comment]},
        {"type": "file", "name": "Feedback files", "fileareas": [{"area": "feedback_files", "files": [file]}]},
    ]


def _team(builder: Builder, section: int) -> None:
    """Add an assignment of teams: a submission belongs to a group, a grade to each member."""
    one = _assign(builder, section, "Team work", empty=True)
    one.doc |= {"teamsubmission": 1, "grade": -3}
    group = builder.course.groups[0]["id"]
    one.data["submissions"] = [{**_attempt(builder, one, 0, 0), "userid": 0, "groupid": group}]
    for user in builder.course.members[group]:
        one.data["grades"].append(_grade(builder, user, 0, 2.0))


def _quiz(builder: Builder, section: int) -> None:
    quiz = builder.activity(
        "quiz",
        "Test",
        section,
        timeopen=builder.at(50),
        timeclose=builder.at(51),
        timelimit=3600,
        attempts=2,
        grademethod=1,
        sumgrades=3.0,
        grade=10.0,
        hasquestions=1,
    )
    quiz.doc["password"] = "open-sesame"  # noqa: S105  # made up
    quiz.data = {"attempts": [], "reviews": {}}
    for place, user in enumerate([*builder.students[:4], _GONE]):
        for number in range(1, 3 if place == 0 else 2):
            state = "inprogress" if place == 3 else "finished"
            _take(builder, quiz, user, number, state)
    _take(builder, quiz, builder.teacher, 1, "finished", preview=1)


def _take(builder: Builder, quiz: Activity, user: int, number: int, state: str, *, preview: int = 0) -> None:
    attempt = builder.id()
    finished = state == "finished"
    doc = {
        "id": attempt,
        "quiz": quiz.id,
        "userid": user,
        "attempt": number,
        "uniqueid": builder.id(),
        "layout": "1,2,0,3,0",
        "currentpage": 0,
        "preview": preview,
        "state": state,
        "timestart": builder.at(50.1),
        "timefinish": builder.at(50.2) if finished else 0,
        "timemodified": builder.at(50.2),
        "sumgrades": 2.5 if finished else None,
        "gradednotificationsenttime": None,
    }
    quiz.data["attempts"].append(doc)
    if finished:
        quiz.data["reviews"][attempt] = [_question(builder, quiz, slot) for slot in (1, 2, 3)]


def _question(builder: Builder, quiz: Activity, slot: int) -> Doc:
    doc: Doc = {
        "slot": slot,
        "type": ("multichoice", "shortanswer", "essay")[slot - 1],
        "page": (slot - 1) // 2,
        "questionnumber": str(slot),
        "number": slot,
        "html": f'<div class="que"><p>Question {slot}?</p><input value="answer {slot}"></div>',
        "responsefileareas": [],
        "sequencecheck": 2,
        "lastactiontime": builder.at(50.2),
        "hasautosavedstep": False,
        "flagged": False,
        "state": "gradedright" if slot < 3 else "gradedpartial",
        "status": "Correct" if slot < 3 else "Partially correct",
        "blockedbyprevious": False,
        "mark": "1.00" if slot < 3 else "0.50",
        "maxmark": 1,
        "settings": "null",
    }
    if slot == 3:
        file = builder.file(quiz.context, "question", "response_attachments", builder.id(), "essay.txt", b"an essay")
        doc["responsefileareas"] = [{"area": "attachments", "files": [file]}]
    return doc


def _forum(builder: Builder, section: int, type_: str, name: str) -> None:
    forum = builder.activity("forum", name, section, type=type_, duedate=0, cutoffdate=0, assessed=0, scale=0)
    forum.doc["cmid"] = forum.doc.pop("coursemodule")
    forum.data = {"discussions": [], "posts": {}}
    starters = [builder.teacher] if type_ == "news" else [builder.students[0], _GONE]
    for number, starter in enumerate(starters):
        _discussion(builder, forum, starter, number)
    forum.doc["numdiscussions"] = len(forum.data["discussions"])


def _discussion(builder: Builder, forum: Activity, starter: int, number: int) -> None:
    discussion = builder.id()
    answering = builder.students[1:4] if forum.doc["type"] == "general" else []
    posts = [_post(builder, forum, discussion, starter, None, number)]
    for user in answering:
        posts.append(_post(builder, forum, discussion, user, posts[-1]["id"], number))
    if answering:
        blank = {"subject": "This post has been removed", "message": "", "isdeleted": True, "author": {"id": None}}
        posts[-1] |= {**blank, "attachments": []}
    first = posts[0]
    forum.data["posts"][discussion] = posts
    forum.data["discussions"].append(
        {
            "id": first["id"],
            "name": first["subject"],
            "groupid": -1,
            "timemodified": builder.at(15 + number),
            "usermodified": starter,
            "timestart": 0,
            "timeend": 0,
            "discussion": discussion,
            "parent": 0,
            "userid": starter,
            "created": first["timecreated"],
            "modified": first["timecreated"],
            "subject": first["subject"],
            "message": first["message"],
            "messageformat": 1,
            "messageinlinefiles": [],
            "attachment": "1",
            "attachments": first["attachments"],
            "userfullname": builder.name_of(starter),
            "numreplies": len(posts) - 1,
            "pinned": number == 0,
            "locked": False,
            "starred": False,
        }
    )


def _post(builder: Builder, forum: Activity, discussion: int, user: int, parent: int | None, number: int) -> Doc:
    post = builder.id()
    attachments = []
    if parent is None:
        file = builder.file(forum.context, "mod_forum", "attachment", post, "note.txt", f"note {post}".encode())
        # Unlike everywhere else, the address of a post's file is its `url`.
        attachments = [{**{key: value for key, value in file.items() if key != "fileurl"}, "url": file["fileurl"]}]
    urls = {"view": f"https://moodle.example/mod/forum/discuss.php?d={discussion}#p{post}"}
    return {
        "id": post,
        "subject": f"Subject {number}",
        "replysubject": f"Re: Subject {number}",
        "message": f"<p>Message {post}</p>",
        "messageformat": 1,
        "author": {"id": user, "fullname": builder.name_of(user), "isdeleted": False, "groups": []},
        "discussionid": discussion,
        "hasparent": parent is not None,
        "parentid": parent,
        "timecreated": builder.at(15 + number),
        "timemodified": builder.at(15 + number),
        "unread": None,
        "isdeleted": False,
        "isprivatereply": False,
        "haswordcount": False,
        "attachments": attachments,
        "messageinlinefiles": [],
        "tags": [],
        "urls": urls,
    }
