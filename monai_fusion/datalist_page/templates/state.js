// Who is in the cohort, and the changes that were made: each change is one field of one participant. What the file
// holds now follows from its original rows and the changes alone, so that undoing leaves nothing behind.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SECTIONS = Object.fromEntries(DATA.pieces.filter((piece) => typeof piece !== "string").map((piece) => [piece.name, piece]));
const MOST_TEXT = 2000;
const FIELDS_OF_THE_PROGRAM = ["participant_id", "label", "eeg", "mri", "fold", "exclude", "note"];

const people = [];  // by the number of their row
for (const part of PARTS) {
  SECTIONS[part].rows.forEach((row, place) => {
    const id = fieldOf(row, "participant_id");
    const name = typeof id === "string" ? id : "";
    people.push({ number: people.length, original: row, originalPart: part, id: name, shown: name ? visible(name) : `row ${place + 1} of ${part}`, row, part, changed: [] });
  });
}
for (const person of people) {
  person.findings = [];
  person.errors = 0;
}
for (const [warning, text, rows] of DATA.findings) {
  for (const number of rows) {
    people[number].findings.push({ warning, text });
    people[number].errors += warning ? 0 : 1;
  }
}

// A change names a participant by id: of an id that is written twice (left out here, used there), the row in use.
const rowOfId = new Map();
for (const person of people) {
  if (!person.id) continue;
  const key = person.id.normalize("NFC");
  const excluded = fieldOf(person.original, "exclude");
  if (!rowOfId.has(key) || excluded === undefined || excluded === null) rowOfId.set(key, person.number);
}
for (const person of people) person.editable = Boolean(person.id) && rowOfId.get(person.id.normalize("NFC")) === person.number;

const edits = { changes: [], done: 0, saved: "[]", who: "" };
let order = {};  // of each part, the numbers of its rows in the file's order

function excludedReason(person) {
  const reason = fieldOf(person.row, "exclude");
  return reason === undefined || reason === null ? null : String(reason);
}

function currentValue(person, field) {
  if (field === "part") return person.part;
  const value = fieldOf(person.row, field);
  return value === undefined || value === null ? null : typeof value === "string" ? value : JSON.stringify(value);
}

// Several changes of one field are one, from its first value to its last; none if they are the same.
function joinedChanges() {
  const joined = new Map();
  for (const change of edits.changes.slice(0, edits.done)) {
    const key = change.participant_id.normalize("NFC") + "\n" + change.field;
    const first = joined.get(key);
    joined.set(key, first ? { ...change, before: first.before } : change);
  }
  return [...joined.values()].filter((change) => change.before !== change.after);
}

function rebuild() {
  order = Object.fromEntries(PARTS.map((part) => [part, []]));
  for (const person of people) {
    person.row = person.original;
    person.part = person.originalPart;
    person.changed = [];
    order[person.part].push(person.number);
  }
  for (const change of joinedChanges()) {
    const person = people[rowOfId.get(change.participant_id.normalize("NFC"))];
    person.changed.push(change);
    if (change.field === "part") {
      order[person.part] = order[person.part].filter((number) => number !== person.number);
      order[change.after].push(person.number);
      person.part = change.after;
    } else {
      person.row = change.after === null ? withoutField(person.row, change.field) : withField(person.row, change.field, change.after);
    }
  }
  people.forEach(describe);
}

// What the table, the search and the sorting need of a participant.
function describe(person) {
  person.label = currentValue(person, "label");
  person.reason = excludedReason(person);
  person.note = currentValue(person, "note");
  person.warnings = person.findings.length - person.errors;
  person.unusual = DATA.unusual[person.number] || null;
  person.prediction = DATA.predictions[person.number] || null;
  person.further = typeof person.row === "string" ? [] : person.row.filter((member) => !FIELDS_OF_THE_PROGRAM.includes(member[0]) || member[0] === "fold");
  const words = [person.id, person.part, person.label, person.reason, person.note, ...person.further.map((member) => valueOf(member[2]))];
  person.words = words.map((word) => (word === null || word === undefined ? "" : typeof word === "object" ? JSON.stringify(word) : String(word))).join("\n").toLowerCase();
}

function editedText() {
  return fileText(DATA.pieces, Object.fromEntries(PARTS.map((part) => [part, order[part].map((number) => people[number].row)])));
}

function now() {
  const date = new Date();
  const two = (number) => String(Math.abs(number)).padStart(2, "0");
  const ahead = -date.getTimezoneOffset();
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day}T${time}${ahead < 0 ? "-" : "+"}${two(Math.trunc(ahead / 60))}:${two(ahead % 60)}`;
}

function makeChange(person, field, after, why = "") {
  const before = currentValue(person, field);
  if (before === after || !person.editable) return false;
  edits.changes = edits.changes.slice(0, edits.done);
  edits.changes.push({ participant_id: person.id, field, before, after, why, when: now() });
  edits.done += 1;
  changed();
  return true;
}

function undo() {
  if (edits.done === 0) return null;
  edits.done -= 1;
  changed();
  return edits.changes[edits.done];
}

function redo() {
  if (edits.done === edits.changes.length) return null;
  edits.done += 1;
  changed();
  return edits.changes[edits.done - 1];
}

function changed() {
  rebuild();
  keepInBrowser();
}

function changeLog() {
  const who = edits.who.trim();
  return JSON.stringify({
    change_log: 1,
    datalist: DATA.file,
    datalist_sha256: DATA.sha256,
    changes: edits.changes.slice(0, edits.done).map((change) => (who ? { ...change, who } : change)),
  }, null, 1) + "\n";
}

function unsaved() {
  return JSON.stringify(joinedChanges()) !== edits.saved;
}

// An accidental reload loses nothing where the browser lets a page keep something; some do not for files.
const KEPT_AS = "monai-fusion datalist page " + DATA.sha256;
let keepsEdits = true;

function keepInBrowser() {
  try {
    if (edits.changes.length === 0) localStorage.removeItem(KEPT_AS);
    else localStorage.setItem(KEPT_AS, JSON.stringify(edits));
  } catch {
    keepsEdits = false;
  }
}

function takeFromBrowser() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT_AS) || "null");
    if (!kept || !Array.isArray(kept.changes) || !kept.changes.every(isChange)) return 0;
    edits.changes = kept.changes;
    edits.done = Math.min(Math.max(0, Number(kept.done) || 0), kept.changes.length);
    edits.saved = String(kept.saved);
    edits.who = String(kept.who || "");
    return edits.done;
  } catch {
    keepsEdits = false;
    return 0;
  }
}

function isChange(change) {
  const texts = ["participant_id", "field", "why", "when"].every((name) => typeof change[name] === "string");
  const values = ["before", "after"].every((name) => change[name] === null || typeof change[name] === "string");
  const person = texts && people[rowOfId.get(change.participant_id.normalize("NFC"))];
  return Boolean(person && person.editable && values && ["label", "exclude", "part", "note"].includes(change.field)
    && (change.field !== "part" || PARTS.includes(change.after)) && (change.field !== "label" || DATA.classes.includes(change.after)));
}

function forget() {
  edits.changes = [];
  edits.done = 0;
  edits.saved = "[]";
  changed();
}

function inUse(person) {
  return person.reason === null;
}

// Participants in use of each part by class, originally and now.
function counts() {
  const found = {};
  for (const part of PARTS) found[part] = { before: new Map(), after: new Map() };
  const add = (map, label) => map.set(label === null ? "no label" : label, (map.get(label === null ? "no label" : label) || 0) + 1);
  for (const person of people) {
    const excluded = fieldOf(person.original, "exclude");
    const label = fieldOf(person.original, "label");
    if (excluded === undefined || excluded === null) add(found[person.originalPart].before, label === undefined || label === null ? null : String(label));
    if (inUse(person)) add(found[person.part].after, person.label);
  }
  return found;
}

function testPartChanges() {
  return people.filter((person) => {
    const excluded = fieldOf(person.original, "exclude");
    const before = person.originalPart === "test" && (excluded === undefined || excluded === null);
    return before !== (person.part === "test" && inUse(person));
  });
}

function inWords(change) {
  const quoted = (value) => (value === null ? "nothing" : `"${visible(value)}"`);
  if (change.field === "exclude") return change.after === null ? `included again (was left out: ${visible(change.before)})` : `left out: ${visible(change.after)}`;
  if (change.field === "part") return `moved from ${change.before} to ${change.after}`;
  if (change.field === "note") return change.after === null ? "note removed" : `note: ${visible(change.after)}`;
  return `${change.field} ${quoted(change.before)} → ${quoted(change.after)}`;
}
