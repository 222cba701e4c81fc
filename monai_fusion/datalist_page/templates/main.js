// Keys, printing, and what happens when the page opens and closes.

const STEPS = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 };

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input, textarea, select");
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    const key = event.key.toLowerCase();
    if (typing && typing.tagName !== "SELECT" && key !== "s") return;  // a text field undoes its own letters
    if (key === "z" && !event.shiftKey) byId("undo").click();
    else if (key === "y" || (key === "z" && event.shiftKey)) byId("redo").click();
    else if (key === "s") {
      commitNote();
      showChanges();
    }
    else return;
    event.preventDefault();
    return;
  }
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") {
    grid.focus({ preventScroll: true });
    return;
  }
  if (typing) return;
  const onGrid = event.target === grid || event.target === document.body;
  const letter = event.key.length === 1;
  if (letter && !byId("letters").checked) return;
  if (event.key in STEPS && (letter || onGrid)) {
    move(STEPS[event.key]);
    if (!onGrid) grid.focus({ preventScroll: true });
  } else if (event.key === "x" && view.chosen) toggleExcluded(view.chosen);
  else if (event.key === "n" && byId("note")) byId("note").focus();
  else if (event.key === "/") byId("search").focus();
  else if (event.key === "?") openDialog("keys-dialog");
  else if (event.key === "Enter" && event.target === grid && byId("card-title")) byId("card-title").focus();
  else return;
  event.preventDefault();
}

// The printer gets a plain list of those that the filters show.
function fillPrinted() {
  const rows = view.list.map((person) => {
    const remarks = [
      ...(person.reason === null ? [] : [`left out: ${person.reason}`]),
      ...(person.note === null ? [] : [`note: ${person.note}`]),
      ...(person.unusual ? person.unusual.reasons : []),
      ...person.findings.map((each) => `${each.warning ? "warning" : "problem"}: ${each.text}`),
      ...person.changed.map((change) => `changed: ${inWords(change)}`),
    ];
    const cells = [person.part, person.label === null ? "—" : visible(person.label), remarks.map((each) => visible(each)).join("; ")];
    return element("tr", {}, element("th", { scope: "row" }, person.shown), ...cells.map((text) => element("td", {}, text)));
  });
  byId("printed-rows").replaceChildren(...rows);
  byId("printed-number").textContent = byId("shown").textContent;
}

function openFromAddress() {
  const found = /[#&]participant=([^&]*)/.exec(location.hash);
  if (!found) return;
  let id = found[1];
  try {
    id = decodeURIComponent(id);
  } catch {
    return;
  }
  const number = rowOfId.get(id.normalize("NFC"));
  if (number === undefined) {
    say("this page has no such participant");
    return;
  }
  if (!view.list.includes(people[number])) {
    for (const name of ["search", "part-filter", "label-filter", "status-filter", "field-filter"]) byId(name).value = "";
    byId("field-filter").selectedIndex = 0;
    refresh();
  }
  choose(people[number]);
  grid.focus({ preventScroll: true });
}

function start() {
  const restored = takeFromBrowser();
  rebuild();
  buildFilters();
  buildTable();
  buildDialogs();
  refresh();
  showState();
  byId("restored").hidden = restored === 0;
  byId("restored-number").textContent = restored === 1 ? "1 edit" : `${restored} edits`;
  byId("app").hidden = false;
  render();
  document.addEventListener("keydown", onKey);
  window.addEventListener("beforeprint", fillPrinted);
  window.addEventListener("afterprint", () => byId("printed-rows").replaceChildren());
  window.addEventListener("hashchange", openFromAddress);
  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });
  openFromAddress();
}

start();
