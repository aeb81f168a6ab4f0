"""The docs of what is read and talked about: pages, discussions, modules, folders and files.

Fields are the arguments that differ; all others get the value Canvas gives them by default.
"""

from __future__ import annotations

import mimetypes
from datetime import datetime
from urllib.parse import quote_plus

from coursekeep_campus.content import ORIGIN, Doc
from coursekeep_campus.times import stamp

__all__ = ["entry_doc", "file_doc", "folder_doc", "item_doc", "module_doc", "page_doc", "topic_doc"]

_MIME_CLASSES = {"application/pdf": "pdf", "text/plain": "text", "text/html": "html", "application/zip": "zip"}


def page_doc(id_: int, slug: str, title: str, body: str | None, moment: datetime, **fields: object) -> Doc:
    """Describe a wiki page with its body."""
    return {
        "title": title,
        "created_at": stamp(moment),
        "url": slug,
        "editing_roles": "teachers",
        "page_id": id_,
        "published": True,
        "hide_from_students": False,
        "front_page": False,
        "todo_date": None,
        "updated_at": stamp(moment),
        "locked_for_user": False,
        "body": body,
        **fields,
    }


def topic_doc(id_: int, course_id: int, title: str, message: str, moment: datetime, **fields: object) -> Doc:
    """Describe a discussion topic."""
    return {
        "id": id_,
        "title": title,
        "message": message,
        "last_reply_at": stamp(moment),
        "created_at": stamp(moment),
        "posted_at": stamp(moment),
        "delayed_post_at": None,
        "lock_at": None,
        "assignment_id": None,
        "root_topic_id": None,
        "position": None,
        "podcast_has_student_posts": False,
        "discussion_type": "threaded",
        "allow_rating": True,
        "only_graders_can_rate": False,
        "sort_by_rating": False,
        "is_section_specific": False,
        "anonymous_state": None,
        "user_name": None,
        "discussion_subentry_count": 0,
        "require_initial_post": None,
        "podcast_url": None,
        "read_state": "read",
        "unread_count": 0,
        "subscribed": False,
        "attachments": [],
        "published": True,
        "locked": False,
        "pinned": False,
        "group_category_id": None,
        "topic_children": [],
        "group_topic_children": [],
        "html_url": f"{ORIGIN}/courses/{course_id}/discussion_topics/{id_}",
        "url": f"{ORIGIN}/courses/{course_id}/discussion_topics/{id_}",
        "author": {},
        **fields,
    }


def entry_doc(id_: int, user_id: int, message: str, moment: datetime, **fields: object) -> Doc:
    """Describe a reply in a materialised view; `replies` is left out where there are none."""
    return {
        "id": id_,
        "user_id": user_id,
        "parent_id": None,
        "created_at": stamp(moment),
        "updated_at": stamp(moment),
        "rating_count": None,
        "rating_sum": None,
        "message": message,
        **fields,
    }


def module_doc(id_: int, course_id: int, name: str, position: int, count: int, **fields: object) -> Doc:
    """Describe a module without its items."""
    return {
        "id": id_,
        "name": name,
        "position": position,
        "unlock_at": None,
        "require_sequential_progress": False,
        "publish_final_grade": False,
        "prerequisite_module_ids": [],
        "published": True,
        "items_count": count,
        "items_url": f"{ORIGIN}/api/v1/courses/{course_id}/modules/{id_}/items",
        **fields,
    }


def item_doc(id_: int, course_id: int, module_id: int, position: int, title: str, kind: str, **fields: object) -> Doc:
    """Describe a module item."""
    return {
        "id": id_,
        "title": title,
        "position": position,
        "indent": 0,
        "quiz_lti": False,
        "type": kind,
        "module_id": module_id,
        "html_url": f"{ORIGIN}/courses/{course_id}/modules/items/{id_}",
        "published": True,
        **fields,
    }


def folder_doc(id_: int, course_id: int, full_name: str, parent_id: int | None, **fields: object) -> Doc:
    """Describe a folder."""
    return {
        "id": id_,
        "name": full_name.rpartition("/")[2],
        "full_name": full_name,
        "context_id": course_id,
        "context_type": "Course",
        "parent_folder_id": parent_id,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "lock_at": None,
        "unlock_at": None,
        "position": 1,
        "locked": False,
        "folders_url": f"{ORIGIN}/api/v1/folders/{id_}/folders",
        "files_url": f"{ORIGIN}/api/v1/folders/{id_}/files",
        "files_count": 0,
        "folders_count": 0,
        "hidden": None,
        "locked_for_user": False,
        "hidden_for_user": False,
        "for_submissions": False,
        "can_upload": False,
        **fields,
    }


def file_doc(
    id_: int, name: str, size: int, moment: datetime, *, verifier: str | None, content_type: str = "", **fields: object
) -> Doc:
    """Describe a file. Its address carries a verifier, where there is one."""
    kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    secret = f"&verifier={verifier}" if verifier else ""
    return {
        "id": id_,
        "folder_id": None,
        "display_name": name,
        "filename": quote_plus(name),
        "upload_status": "success",
        "content-type": kind,
        "url": f"{ORIGIN}/files/{id_}/download?download_frd=1{secret}",
        "size": size,
        "created_at": stamp(moment),
        "updated_at": stamp(moment),
        "unlock_at": None,
        "locked": False,
        "hidden": False,
        "lock_at": None,
        "hidden_for_user": False,
        "thumbnail_url": None,
        "modified_at": stamp(moment),
        "mime_class": _MIME_CLASSES.get(
            kind, kind.partition("/")[0] if kind.startswith(("image", "video")) else "file"
        ),
        "media_entry_id": None,
        "locked_for_user": False,
        **fields,
    }
