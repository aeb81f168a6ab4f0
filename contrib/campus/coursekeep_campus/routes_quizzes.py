"""Classic quizzes with questions, groups, attempts and answers; and New Quizzes, a service of its own."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc
from coursekeep_campus.replies import Reply, not_found
from coursekeep_campus.router import Routes

__all__ = ["new_routes", "routes"]

routes = Routes("quizzes")

#: below /api/quiz/v1
new_routes = Routes()


def _quiz(call: Call) -> Doc:
    return call.find(call.content.quizzes, call.number("quiz"))


@routes.get("courses/{course}/quizzes")
def quizzes(call: Call) -> Reply:
    """List the quizzes."""
    return call.page(call.content.quizzes)


@routes.get("courses/{course}/quizzes/{quiz}")
def quiz(call: Call) -> Reply:
    """Show a quiz."""
    return call.reply(_quiz(call))


@routes.get("courses/{course}/quizzes/{quiz}/questions")
def questions(call: Call) -> Reply:
    """List the questions, or those that were drawn for one attempt."""
    found = call.content.quiz_questions.get(_quiz(call)["id"], [])
    if number := call.value("quiz_submission_id"):
        drawn = _drawn(call, number)
        found = [doc for doc in found if doc["id"] in drawn]
    return call.page(found)


def _drawn(call: Call, quiz_submission: str) -> set[int]:
    for doc in call.content.quiz_submissions.get(call.number("quiz"), []):
        if str(doc["id"]) == quiz_submission:
            return {answer["question_id"] for answer in doc["_answers"]}
    raise not_found()


@routes.get("courses/{course}/quizzes/{quiz}/questions/{question}")
def question(call: Call) -> Reply:
    """Show a question."""
    return call.reply(call.find(call.content.quiz_questions.get(_quiz(call)["id"], []), call.number("question")))


@routes.get("courses/{course}/quizzes/{quiz}/groups/{group}")
def group(call: Call) -> Reply:
    """Show a question group. There is no list of them."""
    return call.reply(call.find(call.content.quiz_groups.get(_quiz(call)["id"], []), call.number("group")))


@routes.get("courses/{course}/quizzes/{quiz}/submissions")
def submissions(call: Call) -> Reply:
    """List the latest attempt of everybody."""
    found = call.content.quiz_submissions.get(_quiz(call)["id"], [])
    return call.page(found, _shown, wrap="quiz_submissions")


@routes.get("courses/{course}/quizzes/{quiz}/submissions/{submission}")
def submission(call: Call) -> Reply:
    """Show one quiz submission."""
    found = call.content.quiz_submissions.get(_quiz(call)["id"], [])
    return call.reply({"quiz_submissions": [_shown(call.find(found, call.number("submission")))]})


def _shown(doc: Doc) -> Doc:
    return {name: value for name, value in doc.items() if not name.startswith("_")}


@routes.get("courses/{course}/quizzes/{quiz}/submissions/{submission}/events")
def events(call: Call) -> Reply:
    """List what happened during an attempt: nothing was recorded."""
    found = call.content.quiz_submissions.get(_quiz(call)["id"], [])
    call.find(found, call.number("submission"))
    return call.reply({"quiz_submission_events": []})


@routes.get("quiz_submissions/{submission}/questions")
def answered(call: Call) -> Reply:
    """List the questions of the latest attempt with the answers given."""
    course, doc = call.state.directory.quiz_submission(call.number("submission"))
    call.enter(course.id)
    asked = {question["id"]: question for question in call.content.quiz_questions.get(doc["quiz_id"], [])}
    found = [
        {**asked[answer["question_id"]], "answer": answer["text"], "flagged": False}
        for answer in doc["_answers"]
        if answer["question_id"] in asked
    ]
    return call.reply({"quiz_submission_questions": found})


@routes.get("courses/{course}/quizzes/{quiz}/statistics")
def statistics(call: Call) -> Reply:
    """Show the statistics of a quiz."""
    quiz = _quiz(call)
    taken = call.content.quiz_submissions.get(quiz["id"], [])
    scores = [doc["kept_score"] for doc in taken if doc["kept_score"] is not None]
    mean = sum(scores) / len(scores) if scores else None
    summary: Doc = {"scores": {}, "score_average": mean, "unique_count": len(taken)}
    found = {"id": f"{quiz['id']}", "generated_at": quiz["due_at"], "submission_statistics": summary}
    return call.reply({"quiz_statistics": [found]})


@routes.get("courses/{course}/quizzes/{quiz}/reports")
def reports(call: Call) -> Reply:
    """List the reports of a quiz: none were made."""
    assert _quiz(call)
    return call.reply({"quiz_reports": []})


def _provisioned(call: Call) -> dict[int, Doc]:
    if call.content.new_quizzes is None:
        raise not_found()
    return call.content.new_quizzes


@new_routes.get("courses/{course}/quizzes")
def new_quizzes(call: Call) -> Reply:
    """List the New Quizzes; 404 where the tool is not provisioned."""
    return call.page(list(_provisioned(call).values()))


@new_routes.get("courses/{course}/quizzes/{quiz}")
def new_quiz(call: Call) -> Reply:
    """Show a New Quiz by its assignment's id."""
    return call.reply(call.find(_provisioned(call).values(), call.number("quiz")))


@new_routes.get("courses/{course}/quizzes/{quiz}/items")
def new_quiz_items(call: Call) -> Reply:
    """List the items of a New Quiz; what is in item banks cannot be read."""
    quiz = call.find(_provisioned(call).values(), call.number("quiz"))
    return call.page(call.content.new_quiz_items.get(quiz["id"], []))


@new_routes.get("courses/{course}/quizzes/{quiz}/items/{item}")
def new_quiz_item(call: Call) -> Reply:
    """Show one item."""
    quiz = call.find(_provisioned(call).values(), call.number("quiz"))
    return call.reply(call.find(call.content.new_quiz_items.get(quiz["id"], []), call.number("item")))
