// What the pages gain with JavaScript; everything works without. No state of its own: the server's pages are the truth.
"use strict";

// The browser's time zone, so that the server writes moments in it from the next page on.
function keepZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes("coursekeep_zone=")) {
    document.cookie = `coursekeep_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
    if (document.querySelector("main time")) refresh();
  }
}

// Live pages: when something changes, the page is read again and the regions marked `data-live` are replaced.
let reading = false;
let again = false;
let pausedUntil = 0;
let leavingUntil = 0; // a form is on its way: its answer is the next page, and nothing may come between

function wantRefresh() {
  if (reading) { again = true; return; }
  const wait = Math.max(0, pausedUntil - Date.now());
  reading = true;
  setTimeout(refresh, wait);
}

async function refresh() {
  reading = true;
  again = false;
  try {
    const headers = { Accept: "text/html", "X-Read-Again": "yes" };
    const answer = await fetch(location.href, { headers, credentials: "same-origin" });
    if (Date.now() < leavingUntil) return;
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { location.reload(); return; }
    if (answer.ok) replaceRegions(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the daemon is away: the stream reconnects, and asks again
  } finally {
    reading = false;
    pausedUntil = Date.now() + 1000;
    if (again) wantRefresh();
  }
}

function replaceRegions(fresh) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(old.id);
    if (!next || old.contains(document.activeElement) && isTyping(document.activeElement)) continue;
    keepState(old, next);
    if (old.isEqualNode(next)) continue;
    const focused = old.contains(document.activeElement) ? pathTo(old, document.activeElement) : null;
    old.replaceWith(document.adoptNode(next));
    if (focused) follow(next, focused)?.focus({ preventScroll: true });
    enhance(next);
  }
}

const isTyping = (element) => element.matches("textarea, select, input:not([type=checkbox], [type=radio])");

// Open disclosures and ticks are the visitor's, not the server's.
function keepState(old, next) {
  for (const each of old.querySelectorAll("details[id]")) {
    const twin = next.querySelector(`#${CSS.escape(each.id)}`);
    if (twin) twin.open = each.open;
  }
  for (const each of old.querySelectorAll("input[type=checkbox]:checked")) {
    const twin = next.querySelector(`input[name="${CSS.escape(each.name)}"][value="${CSS.escape(each.value)}"]`);
    if (twin) twin.checked = true;
  }
}

function pathTo(root, element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const steps = [];
  for (let each = element; each !== root; each = each.parentElement) {
    steps.unshift(`${each.tagName}:nth-child(${[...each.parentElement.children].indexOf(each) + 1})`);
  }
  return steps.join(" > ");
}

const follow = (root, path) => path && root.querySelector(path.startsWith("#") ? path : `:scope > ${path}`);

function listen() {
  const { events } = document.body.dataset;
  if (!events || !document.querySelector("[data-live]")) return;
  const source = new EventSource(events);
  const live = document.getElementById("live-state");
  for (const kind of ["run", "item", "integration", "hold", "activity", "worker", "reset"]) source.addEventListener(kind, wantRefresh);
  source.addEventListener("hello", () => {
    wantRefresh(); // something may have happened since the page was made, or while the connection was down
    document.body.dataset.connected = "yes";
    if (live) live.textContent = "Live";
  });
  source.addEventListener("error", () => {
    document.body.dataset.connected = "no";
    if (live) live.textContent = "Connection lost; trying again";
  });
  document.addEventListener("submit", () => { leavingUntil = Date.now() + 30000; });
  window.addEventListener("pagehide", () => source.close());
}

// A file can be dropped on the field's frame, and one box ticks all.
function enhance(root) {
  for (const zone of root.querySelectorAll("[data-drop]")) {
    const input = zone.querySelector("input[type=file]");
    const mark = (over) => (event) => { event.preventDefault(); zone.classList.toggle("over", over); };
    zone.addEventListener("dragover", mark(true));
    zone.addEventListener("dragleave", mark(false));
    zone.addEventListener("drop", (event) => {
      mark(false)(event);
      if (event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }
  for (const all of root.querySelectorAll("input[data-all]")) {
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const each of document.querySelectorAll(`input[name="${CSS.escape(all.dataset.all)}"]`)) {
        if (!each.closest("[hidden]")) each.checked = all.checked; // what a filter hides is not ticked unseen
      }
    });
  }
  for (const field of root.querySelectorAll("input[data-enter]")) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      document.getElementById(field.dataset.enter).click();
    });
  }
  for (const filter of root.querySelectorAll("input[data-filter]")) {
    filter.closest(".field").hidden = false;
    filter.addEventListener("input", () => {
      const text = filter.value.toLowerCase();
      for (const each of document.querySelectorAll(`${filter.dataset.filter} .choice`)) {
        each.hidden = !each.textContent.toLowerCase().includes(text);
      }
    });
  }
}

// A form's answer is what its visitor wants to read: the field that is wrong, or what stands below.
function showAnswer() {
  const answer = document.querySelector("[data-focus]");
  if (!answer) return;
  const wrong = [...document.querySelectorAll("[aria-invalid=true]")].find((each) => each.offsetParent && each.tabIndex >= 0);
  (wrong ?? answer).focus({ preventScroll: true });
  (wrong ?? answer).scrollIntoView({ block: wrong ? "center" : "start" });
}

keepZone();
enhance(document);
showAnswer();
listen();
