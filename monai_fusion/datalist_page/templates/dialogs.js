// Dialogs: why somebody is left out, the test part's warning, what has changed and saving, the keys.

// Show a dialog; `decided` is told once whether it was confirmed: a key that closes it is a no.
function openDialog(name, decided = () => {}) {
  byId(name).decided = decided;
  byId(name).showModal();
}

function closeDialog(dialog, confirmed) {
  const { decided } = dialog;
  dialog.decided = null;
  if (dialog.open) dialog.close();
  if (decided) decided(confirmed);
}

function oneLine(text) {
  return text.replace(/[\s\x1c-\x1f\x85]+/gu, " ").trim();
}

function askForReason(person) {
  const input = byId("reason");
  input.value = person.reason === null ? "" : person.reason;
  byId("reason-who").textContent = person.shown;
  byId("reason-test").hidden = person.part !== "test";
  byId("reason-missing").hidden = true;
  byId("reason-form").onsubmit = (event) => {
    event.preventDefault();
    const reason = oneLine(input.value);
    byId("reason-missing").hidden = reason !== "";
    input.setAttribute("aria-invalid", String(reason === ""));
    if (!reason) {
      input.focus();
      return;
    }
    closeDialog(byId("reason-dialog"), true);
    act(() => makeChange(person, "exclude", reason), `${person.shown}: left out`);
  };
  openDialog("reason-dialog");
  input.select();
}

function confirmTest(person, touched, go, otherwise = () => {}) {
  if (!touched) {
    go();
    return;
  }
  byId("test-who").textContent = person.shown;
  openDialog("test-dialog", (confirmed) => (confirmed ? go() : otherwise()));
}

function showState() {
  const number = joinedChanges().length;
  byId("undo").disabled = edits.done === 0;
  byId("redo").disabled = edits.done === edits.changes.length;
  byId("changes").textContent = number ? `${number} ${number === 1 ? "change" : "changes"}: look and save …` : "Changes and saving …";
  byId("changes").classList.toggle("pending", unsaved());
  document.title = (unsaved() ? "● " : "") + DATA.title;
}

function showChanges() {
  const list = joinedChanges();
  byId("change-list").replaceChildren(...list.map((change) => element("li", {}, element("strong", {}, element("bdi", {}, visible(change.participant_id))), ": ", element("bdi", {}, inWords(change)))));
  byId("no-changes").hidden = list.length > 0;
  const rows = [];
  for (const [part, { before, after }] of Object.entries(counts())) {
    const one = countText(before);
    const other = countText(after);
    const lacking = after.size ? DATA.classes.filter((name) => !after.get(name)) : [];
    const doubt = lacking.length && Object.keys(SECTIONS).length ? ` ✕ no ${lacking.map((name) => visible(name)).join(", ")}` : "";
    rows.push(element("tr", { class: one === other ? null : "differs" }, element("th", { scope: "row" }, part), element("td", {}, one), element("td", {}, (one === other ? "the same" : other) + doubt)));
  }
  byId("balance").replaceChildren(...rows);
  const tested = testPartChanges();
  byId("test-changed").hidden = tested.length === 0;
  byId("test-number").textContent = `${tested.length} ${tested.length === 1 ? "participant" : "participants"}`;
  byId("who").value = edits.who;
  byId("kept").textContent = keepsEdits
    ? "This browser keeps your edits of this datalist until you clear them; the file itself never changes."
    : "This browser does not keep edits of a page that is a file: save before you close it.";
  for (const name of ["save-both", "save-datalist", "save-log", "clear"]) byId(name).disabled = edits.changes.length === 0 || (name !== "clear" && list.length === 0);
  byId("saved").textContent = "";
  openDialog("changes-dialog");
}

function countText(map) {
  const total = [...map.values()].reduce((sum, number) => sum + number, 0);
  const named = [...DATA.classes.filter((name) => map.has(name)), ...[...map.keys()].filter((name) => !DATA.classes.includes(name))];
  const shares = named.map((name) => `${map.get(name)} ${visible(name)} (${Math.round((100 * map.get(name)) / total)} %)`);
  return total ? `${total}: ${shares.join(", ")}` : "nobody";
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

function save(datalist, log) {
  if (datalist) {
    download(`${DATA.stem}_edited.json`, editedText());
    edits.saved = JSON.stringify(joinedChanges());
  }
  // Some browsers take two downloads at once for one.
  if (log) setTimeout(() => download(`${DATA.stem}_changes.json`, changeLog()), datalist ? 300 : 0);
  keepInBrowser();
  showState();
  byId("saved").textContent = "Saved into your folder for downloads. Put the datalist beside the old one: its paths start there. Then run monai-fusion datalist check.";
}

function buildDialogs() {
  byId("changes").addEventListener("click", showChanges);
  byId("undo").addEventListener("click", () => stepped(undo(), "undone"));
  byId("redo").addEventListener("click", () => stepped(redo(), "done again"));
  byId("keys").addEventListener("click", () => openDialog("keys-dialog"));
  byId("save-both").addEventListener("click", () => save(true, true));
  byId("save-datalist").addEventListener("click", () => save(true, false));
  byId("save-log").addEventListener("click", () => save(false, true));
  byId("clear").addEventListener("click", () => {
    closeDialog(byId("changes-dialog"), false);
    openDialog("clear-dialog", (confirmed) => {
      if (!confirmed) return;
      forget();
      afterEdit("all edits are cleared");
    });
  });
  byId("who").addEventListener("input", () => {
    edits.who = byId("who").value;
    keepInBrowser();
  });
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => closeDialog(button.closest("dialog"), button.dataset.close === "done"));
  }
  for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", () => closeDialog(dialog, false));
}

function stepped(change, words) {
  if (!change) return;
  const person = people[rowOfId.get(change.participant_id.normalize("NFC"))];
  if (view.list.includes(person)) view.chosen = person;
  afterEdit(`${person.shown}: ${words}: ${inWords(change)}`, document.activeElement && document.activeElement.id);
}
