// The card of the chosen participant: what is known, pictures, and what can be edited.

const card = byId("card");

function showCard() {
  const person = view.chosen;
  if (!person) {
    card.replaceChildren(element("p", { class: "none" }, "No participant is chosen."));
    return;
  }
  const parts = [heading(person)];
  if (person.unusual && person.unusual.reasons.length) parts.push(listed("Unusual", "unusual", person.unusual.reasons.map((each) => [each, "◆"])));
  if (person.findings.length) parts.push(listed("Problems and warnings", "findings", person.findings.map((each) => [each.text, each.warning ? "! warning:" : "✕ problem:"])));
  const pictures = picturesOf(person);
  if (pictures.length) parts.push(element("section", { class: "pictures", "aria-label": "Pictures" }, ...pictures));
  parts.push(editing(person), facts(person));
  card.replaceChildren(...parts);
}

function heading(person) {
  const title = element("h2", { id: "card-title", tabindex: "-1" }, element("bdi", {}, person.shown));
  const text = [person.label === null ? "no label" : visible(person.label), person.part];
  const made = element("header", {}, element("div", { class: "title" }, title, leavingOut(person)), element("p", { class: "about" }, text.join(", ")));
  if (person.reason !== null) made.append(element("p", { class: "reason" }, element("strong", {}, "Left out: "), element("bdi", {}, visible(person.reason))));
  if (person.prediction) {
    const { predicted, probability, wrong } = person.prediction;
    made.append(element("p", { class: wrong ? "reason" : "about" }, `${wrong ? "✕ Wrongly predicted" : "Predicted"}: ${visible(predicted)} with probability ${probability.toFixed(3)}`));
  }
  return made;
}

// In sight without scrolling: it is what a reader most often wants.
function leavingOut(person) {
  if (!person.editable) return null;
  const out = element("button", { type: "button", id: "exclude" }, person.reason === null ? "Leave out …" : "Include again");
  out.addEventListener("click", () => toggleExcluded(person));
  const reason = person.reason === null ? null : element("button", { type: "button" }, "Another reason …");
  if (reason) reason.addEventListener("click", () => askForReason(person));
  return element("p", { class: "tools" }, out, reason);
}

function listed(title, kind, texts) {
  const items = texts.map(([text, sign]) => element("li", {}, element("strong", {}, sign + " "), element("bdi", {}, visible(text))));
  return element("section", { class: kind }, element("h3", {}, title), element("ul", {}, ...items));
}

function editing(person) {
  const box = element("section", { class: "editing" }, element("h3", {}, "Edit"));
  if (!person.editable) {
    const why = person.id ? "Another row of this participant is in use: edit this one in the datalist's text." : "This row has no id: edit it in the datalist's text.";
    box.append(element("p", { class: "none" }, why));
    return box;
  }
  const label = choice("Label", "label", [...(DATA.classes.includes(person.label) ? [] : [[person.label, person.label === null ? "no label" : `${visible(person.label)} (no class)`]]), ...DATA.classes.map((name) => [name, visible(name)])], person.label);
  label.select.addEventListener("change", () => {
    const after = label.values[label.select.selectedIndex];
    if (DATA.classes.includes(after)) act(() => makeChange(person, "label", after, oneLine(why.value)), `${person.shown}: label ${visible(after)}`);
  });
  const part = choice("Part", "part", PARTS.map((name) => [name, name]), person.part);
  part.select.addEventListener("change", () => movePerson(person, part.values[part.select.selectedIndex], oneLine(why.value)));
  const why = element("input", { id: "why", maxlength: MOST_TEXT, autocomplete: "off", dir: "auto" });
  const note = element("textarea", { id: "note", rows: "2", maxlength: MOST_TEXT, dir: "auto" });
  note.value = person.note === null ? "" : person.note;
  note.addEventListener("change", () => {
    const text = note.value.trim();
    // The card stays as it is: a click on one of its buttons has begun, and would be lost with the button.
    act(() => makeChange(person, "note", text || null), `${person.shown}: note ${text ? "written" : "removed"}`, true);
  });
  box.append(element("p", { class: "choices" }, label.made, part.made), element("label", { class: "wide" }, "Why another label or part (optional, for the change log; write it first)", why), element("label", { class: "wide" }, "Note", note));
  return box;
}

function choice(title, name, options, current) {
  const select = element("select", { id: `edit-${name}` });
  const values = options.map(([value]) => value);
  for (const [value, text] of options) {
    const made = element("option", {}, text);
    made.selected = value === current;
    select.append(made);
  }
  return { made: element("label", {}, title, select), select, values };
}

function facts(person) {
  const list = element("dl");
  const add = (name, value) => list.append(element("dt", {}, visible(name)), element("dd", {}, element("bdi", {}, visible(value))));
  for (const member of person.further) add(member[0], fieldText(person.row, member[0]) || "—");
  for (const field of ["eeg", "mri"]) {
    const value = fieldOf(person.row, field);
    const texts = Array.isArray(value) ? value.map(String) : [value === null || value === undefined ? "none" : String(value)];
    add(field, texts.length > 4 ? `${texts.slice(0, 3).join("\n")} and ${texts.length - 3} more` : texts.join(", "));
  }
  return element("section", { class: "facts" }, element("h3", {}, "In the datalist"), list);
}

// Make a change, show it everywhere and tell it to a screen reader; the focus stays on the control that made it.
function act(change, words, keepCard = false) {
  const focused = document.activeElement && document.activeElement.id;
  if (!change()) return;
  afterEdit(words, focused, keepCard);
}

function afterEdit(words, focused, keepCard = false) {
  refresh(keepCard);
  bringIntoView(view.list.indexOf(view.chosen));
  showState();
  say(words);
  const again = focused && byId(focused);
  if (again && document.activeElement !== again) again.focus({ preventScroll: true });
}

// A note counts when its field is left; what takes the field away comes after that.
function commitNote() {
  if (document.activeElement && document.activeElement.id === "note") document.activeElement.blur();
}

function say(words) {
  byId("live").textContent = words;
}

function toggleExcluded(person) {
  if (!person.editable) say(`${person.shown} cannot be edited here`);
  else if (person.reason === null) askForReason(person);
  else confirmTest(person, person.part === "test", () => act(() => makeChange(person, "exclude", null), `${person.shown}: included again`));
}

function movePerson(person, after, why) {
  const touched = (person.part === "test" || after === "test") && inUse(person);
  confirmTest(person, touched, () => act(() => makeChange(person, "part", after, why), `${person.shown}: moved to ${after}`), showCard);
}
