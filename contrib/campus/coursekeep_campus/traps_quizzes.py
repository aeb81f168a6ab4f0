"""Traps in quizzes: answers in the history of submissions, questions drawn from groups, quizzes of another service."""

from __future__ import annotations

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import ORIGIN, Doc, Person
from coursekeep_campus.shapes import quiz_doc
from coursekeep_campus.times import stamp

__all__ = ["classic_quiz", "new_quiz", "new_quiz_unreadable"]


def classic_quiz(builder: Builder) -> None:
    """Hold a graded quiz with two attempts and a question group, and a practice quiz without an assignment."""
    quiz_id = builder.new_id()
    assignment = builder.assignment(
        "Midterm quiz", submission_types=["online_quiz"], is_quiz_assignment=True, quiz_id=quiz_id, points_possible=3.0
    )
    group: Doc = {
        "id": builder.new_id(),
        "quiz_id": quiz_id,
        "name": "Drawn",
        "pick_count": 1,
        "question_points": 1.0,
        "position": 2,
    }
    questions = [_question(builder, quiz_id, number, group["id"] if number > 2 else None) for number in range(1, 5)]
    quiz = quiz_doc(
        quiz_id,
        builder.course.id,
        "Midterm quiz",
        assignment_id=assignment["id"],
        allowed_attempts=2,
        question_count=3,
        points_possible=3.0,
        access_code="made-up-access-code",
        has_access_code=True,
        due_at=assignment["due_at"],
        question_types=["multiple_choice_question", "essay_question"],
    )
    content = builder.content
    content.quizzes += [quiz, quiz_doc(builder.new_id(), builder.course.id, "Practice", quiz_type="practice_quiz")]
    content.quiz_questions[quiz_id] = questions
    content.quiz_groups[quiz_id] = [group]
    for number, student in enumerate(builder.students):
        if number == len(builder.students) - 1:
            builder.submission(assignment, student, "unsubmitted", missing=True)
        else:
            _attempt(builder, quiz, assignment, student, questions, attempts=1 + number % 2)


def _question(builder: Builder, quiz_id: int, number: int, group: int | None) -> Doc:
    essay = number == 2
    answers = [
        {"id": 100 * number + choice, "text": f"Choice {choice}", "weight": 100 if choice == 1 else 0, "comments": ""}
        for choice in (1, 2, 3)
    ]
    return {
        "id": builder.new_id(),
        "quiz_id": quiz_id,
        "quiz_group_id": group,
        "assessment_question_id": builder.new_id(),
        "position": number,
        "question_name": f"Question {number}",
        "question_type": "essay_question" if essay else "multiple_choice_question",
        "question_text": builder.html(),
        "points_possible": 1.0,
        "correct_comments": "",
        "incorrect_comments": "",
        "neutral_comments": "",
        "answers": [] if essay else answers,
        "variables": None,
        "formulas": None,
        "matches": None,
        "matching_answer_incorrect_matches": None,
    }


def _attempt(
    builder: Builder, quiz: Doc, assignment: Doc, student: Person, questions: list[Doc], *, attempts: int
) -> None:
    submission = builder.submission(
        assignment,
        student,
        "graded",
        type="online_quiz",
        attempt=attempts,
        submitted_at=stamp(builder.day(60, minutes=attempts)),
        graded_at=stamp(builder.day(60, minutes=attempts)),
        grader_id=-quiz["id"],
    )
    drawn = [questions[0], questions[1], questions[2 + student.id % 2]]
    for attempt in range(1, attempts + 1):
        answers = [_answer(question, attempt, student.id) for question in drawn]
        score = float(sum(answer["points"] for answer in answers))
        moment = stamp(builder.day(60, minutes=attempt))
        body = f"user: {student.id}, quiz: {quiz['id']}, score: {score}, time: {moment}"
        version = {"attempt": attempt, "score": score, "grade": f"{score:g}", "submitted_at": moment, "body": body}
        version |= {"graded_at": moment, "entered_score": score, "entered_grade": f"{score:g}"}
        submission.history.append({**version, "submission_data": answers})
        submission.score, submission.grade = score, f"{score:g}"
    submission.more["body"] = body
    builder.content.quiz_submissions.setdefault(quiz["id"], []).append(
        _quiz_submission(builder, quiz, student, submission.id, attempts, submission.score or 0.0, answers)
    )


def _answer(question: Doc, attempt: int, user: int) -> Doc:
    if question["question_type"] == "essay_question":
        text = f"<p>Essay of {user}, attempt {attempt}</p>"
        return {"question_id": question["id"], "text": text, "correct": "undefined", "points": 0.5, "more_comments": ""}
    chosen = question["answers"][(user + attempt) % 3]
    right = chosen["weight"] == 100
    shared = {"question_id": question["id"], "text": chosen["text"], "answer_id": chosen["id"], "more_comments": ""}
    return {**shared, "correct": right, "points": 1.0 if right else 0.0}


def _quiz_submission(
    builder: Builder, quiz: Doc, student: Person, submission: int, attempt: int, score: float, answers: list[Doc]
) -> Doc:
    number = builder.new_id()
    return {
        "id": number,
        "quiz_id": quiz["id"],
        "quiz_version": 1,
        "user_id": student.id,
        "submission_id": submission,
        "score": score,
        "kept_score": score,
        "started_at": stamp(builder.day(60)),
        "finished_at": stamp(builder.day(60, minutes=attempt)),
        "end_at": None,
        "attempt": attempt,
        "workflow_state": "complete",
        "fudge_points": None,
        "quiz_points_possible": 3.0,
        "extra_attempts": None,
        "extra_time": None,
        "time_spent": 60 * attempt,
        "attempts_left": 2 - attempt,
        "score_before_regrade": None,
        "has_seen_results": True,
        "validation_token": f"made-up-validation-token-{number}",
        "html_url": f"{ORIGIN}/courses/{builder.course.id}/quizzes/{quiz['id']}/submissions/{number}",
        "_answers": answers,
    }


def _lti_assignment(builder: Builder, name: str) -> Doc:
    tool = {"url": "https://quiz-tool.example.org/launch", "new_tab": False, "resource_link_id": f"link-{name}"}
    assignment = builder.assignment(
        name, submission_types=["external_tool"], is_quiz_lti_assignment=True, external_tool_tag_attributes=tool
    )
    for student in builder.students[:3]:
        builder.submission(
            assignment,
            student,
            "graded",
            type="basic_lti_launch",
            score=80.0,
            grade="80",
            attempt=1,
            submitted_at=stamp(builder.day(50)),
            graded_at=stamp(builder.day(50)),
            grader_id=-1,
            more={"external_tool_url": tool["url"]},
        )
    return assignment


def new_quiz(builder: Builder) -> None:
    """Hold a New Quiz whose service can be read: questions yes, answers no."""
    assignment = _lti_assignment(builder, "New quiz, readable")
    number = assignment["id"]
    builder.content.new_quizzes = {
        number: {
            "id": number,
            "title": assignment["name"],
            "instructions": builder.html(),
            "assignment_group_id": assignment["assignment_group_id"],
            "points_possible": 2.0,
            "due_at": assignment["due_at"],
            "lock_at": None,
            "unlock_at": None,
            "published": True,
            "grading_type": "points",
            "quiz_settings": {"has_time_limit": False, "shuffle_answers": False},
        }
    }
    builder.content.new_quiz_items[number] = [
        {
            "id": builder.new_id(),
            "position": position,
            "points_possible": 1.0,
            "entry_type": kind,
            "entry_editable": kind == "Item",
            "entry": entry,
        }
        for position, (kind, entry) in enumerate(
            [
                ("Item", {"title": "First", "item_body": builder.html(), "interaction_type_slug": "true-false"}),
                ("Bank", {"id": 1, "title": "A bank that cannot be read"}),
            ],
            1,
        )
    ]


def new_quiz_unreadable(builder: Builder) -> None:
    """Hold a New Quiz of a tool that is not provisioned: its service answers 404."""
    _lti_assignment(builder, "New quiz, not readable")
