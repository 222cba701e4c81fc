// The list of participants: only the rows in sight (and the chosen one) are in the document.

const byId = (name) => document.getElementById(name);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const grid = byId("grid");
const body = byId("rows");
const ROW = DATA.pictures ? 56 : 40;  // pixels
const SPARE = 8;  // rows above and below
const natural = new Intl.Collator("en", { numeric: true });
const FIELDS = furtherFields();
const view = { list: [], chosen: null, sort: "look", rendered: new Map() };

function furtherFields() {
  const names = new Map();
  for (const person of people) {
    if (typeof person.original === "string") continue;
    for (const member of person.original) {
      if (FIELDS_OF_THE_PROGRAM.includes(member[0]) && member[0] !== "fold") continue;
      if (!names.has(member[0])) names.set(member[0], new Set());
      names.get(member[0]).add(fieldText(person.original, member[0]));
    }
  }
  return names;
}

function fieldText(row, name) {
  const value = fieldOf(row, name);
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return row.find((member) => member[0] === name)[2];
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const MOST_COLUMNS = 3;
const COLUMNS = [
  ...(DATA.pictures ? [{ title: "Picture", width: "3.6rem", unseen: true, cell: thumbnail }] : []),
  { title: "Participant", sort: "id", width: "minmax(8rem, 1.6fr)", cell: (person) => element("bdi", {}, person.shown) },
  { title: "Label", sort: "label", width: "minmax(4rem, .8fr)", cell: (person) => visible(person.label === null ? "—" : person.label) },
  { title: "Part", sort: "part", width: "6rem", cell: (person) => person.part },
  { title: "To look at", sort: "look", width: "minmax(11rem, 2.2fr)", cell: badges },
  ...(Object.keys(DATA.predictions).length ? [{ title: "Predicted", sort: "mistakes", width: "8rem", cell: (person) => (person.prediction ? predictedText(person.prediction) : "") }] : []),
  ...[...FIELDS.keys()].slice(0, MOST_COLUMNS).map((name) => ({ title: visible(name), sort: "field " + name, width: "minmax(3.5rem, .8fr)", cell: (person) => visible(fieldText(person.row, name)) })),
];

function predictedText(prediction) {
  return `${visible(prediction.predicted)} ${(100 * prediction.probability).toFixed(0)} %${prediction.wrong ? " ✕ wrong" : ""}`;
}

function badges(person) {
  const made = element("span", { class: "badges" });
  const add = (kind, sign, text) => made.append(element("span", { class: `badge ${kind}` }, element("span", { "aria-hidden": "true" }, sign + " "), text));
  if (person.errors) add("problem", "✕", person.errors === 1 ? "problem" : `${person.errors} problems`);
  if (person.reason !== null) add("out", "–", "left out");
  if (person.unusual && person.unusual.score > 1) add("unusual", "◆", person.unusual.reasons.length ? `unusual: ${visible(person.unusual.reasons[0].split(":")[0])}` : "unusual");
  if (person.warnings) add("warning", "!", person.warnings === 1 ? "warning" : `${person.warnings} warnings`);
  if (person.note !== null) add("noted", "✎", "note");
  if (person.changed.length) add("changed", "●", "changed");
  return made;
}

const SORTS = {
  file: () => 0,
  look: (one, other) => lookAt(other) - lookAt(one),
  id: (one, other) => natural.compare(one.shown, other.shown),
  label: (one, other) => natural.compare(one.label || "", other.label || ""),
  part: (one, other) => PARTS.indexOf(one.part) - PARTS.indexOf(other.part),
  mistakes: (one, other) => mistake(other) - mistake(one),
};

// Problems first, then by how unusual somebody is, then warnings.
function lookAt(person) {
  const unusual = person.unusual ? person.unusual.score : 0;
  return (person.errors ? 1e9 : 0) + (unusual > 1 ? 1e3 * Math.min(unusual, 1e5) : 0) + person.warnings + Math.min(unusual, 1) / 2;
}

// The most confident mistakes first, then all others from the most doubtful on.
function mistake(person) {
  if (!person.prediction) return -2;
  return person.prediction.wrong ? 1 + person.prediction.probability : -person.prediction.probability;
}

function sorted(list) {
  const field = view.sort.startsWith("field ") ? view.sort.slice(6) : null;
  const compare = field === null ? SORTS[view.sort] : (one, other) => natural.compare(fieldText(one.row, field), fieldText(other.row, field));
  const places = new Map(PARTS.flatMap((part) => order[part]).map((number, place) => [number, place]));
  return list.sort((one, other) => compare(one, other) || places.get(one.number) - places.get(other.number));
}

function filtered() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const part = byId("part-filter").value;
  const label = byId("label-filter").value;
  const status = byId("status-filter").value;
  const chosen = byId("field-filter").selectedOptions[0];
  return people.filter((person) =>
    words.every((word) => person.words.includes(word))
    && (!part || person.part === part)
    && (!label || (label === "none" ? person.label === null : person.label === DATA.classes[Number(label)]))
    && (!status || STATUS[status](person))
    && (!chosen || chosen.dataset.field === undefined || fieldText(person.row, chosen.dataset.field) === chosen.dataset.value));
}

const STATUS = {
  problem: (person) => person.errors > 0,
  warning: (person) => person.warnings > 0,
  unusual: (person) => Boolean(person.unusual && person.unusual.score > 1),
  used: inUse,
  out: (person) => !inUse(person),
  noted: (person) => person.note !== null,
  changed: (person) => person.changed.length > 0,
  wrong: (person) => Boolean(person.prediction && person.prediction.wrong),
};

// Apply filters and sorting; the chosen participant stays chosen if there is no reason to choose another.
function refresh(keepCard = false) {
  const shown = view.chosen;
  const before = Math.max(0, view.list.indexOf(view.chosen));
  view.list = sorted(filtered());
  if (!view.list.includes(view.chosen)) view.chosen = view.list[Math.min(before, view.list.length - 1)] || null;
  body.style.height = `${view.list.length * ROW}px`;
  for (const made of view.rendered.values()) made.remove();
  view.rendered.clear();
  grid.setAttribute("aria-rowcount", String(view.list.length + 1));
  byId("shown").textContent = view.list.length === people.length ? `${people.length} participants` : `${view.list.length} of ${people.length} participants`;
  byId("nobody").hidden = view.list.length > 0;
  for (const header of byId("head").querySelectorAll("[data-sort]")) {
    header.parentElement.setAttribute("aria-sort", header.dataset.sort === view.sort ? (["look", "mistakes"].includes(view.sort) ? "descending" : "ascending") : "none");
  }
  byId("sort").value = view.sort;
  render();
  if (!keepCard || view.chosen !== shown) showCard();
}

function render() {
  const first = Math.max(0, Math.floor(byId("scroll").scrollTop / ROW) - SPARE);
  const last = Math.min(view.list.length, first + Math.ceil(byId("scroll").clientHeight / ROW) + 2 * SPARE);
  const wanted = new Set();
  const chosen = view.list.indexOf(view.chosen);
  for (let place = first; place < last; place += 1) wanted.add(place);
  if (chosen >= 0) wanted.add(chosen);
  for (const [place, made] of view.rendered) {
    if (!wanted.has(place)) {
      made.remove();
      view.rendered.delete(place);
    }
  }
  const fresh = document.createDocumentFragment();
  for (const place of wanted) {
    if (!view.rendered.has(place)) {
      const made = rowOf(view.list[place], place);
      view.rendered.set(place, made);
      fresh.append(made);
    }
  }
  body.append(fresh);
  if (WAITING.length > 500) WAITING.splice(0, WAITING.length - 200);
  paintWaiting();
  for (const [place, made] of view.rendered) made.setAttribute("aria-selected", String(place === chosen));
  if (chosen >= 0) grid.setAttribute("aria-activedescendant", `row-${view.chosen.number}`);
  else grid.removeAttribute("aria-activedescendant");
}

function rowOf(person, place) {
  const classes = ["row", ...(person.reason !== null ? ["is-out"] : [])].join(" ");
  const made = element("div", { role: "row", class: classes, id: `row-${person.number}`, "aria-rowindex": place + 2 });
  made.style.transform = `translateY(${place * ROW}px)`;
  COLUMNS.forEach((column, number) => made.append(element("div", { role: "gridcell", "aria-colindex": number + 1 }, column.cell(person))));
  // A note in work is committed before its click: by then this row may be another one.
  made.addEventListener("mousedown", () => choose(person));
  made.addEventListener("click", () => {
    if (view.chosen !== person) choose(person);
    grid.focus({ preventScroll: true });
  });
  return made;
}

function choose(person, scroll = true) {
  commitNote();
  view.chosen = person;
  if (scroll) bringIntoView(view.list.indexOf(person));
  render();
  showCard();
}

function bringIntoView(place) {
  const box = byId("scroll");
  const head = byId("head").offsetHeight;
  if (place < 0) return;
  if (place * ROW < box.scrollTop) box.scrollTop = place * ROW;
  else if ((place + 1) * ROW > box.scrollTop + box.clientHeight - head) box.scrollTop = (place + 1) * ROW - box.clientHeight + head;
}

function move(steps) {
  if (!view.list.length) return;
  const place = view.list.indexOf(view.chosen);
  choose(view.list[Math.min(view.list.length - 1, Math.max(0, place + steps))]);
}

function buildTable() {
  grid.style.setProperty("--columns", COLUMNS.map((column) => column.width).join(" "));
  grid.style.setProperty("--row", `${ROW}px`);
  grid.setAttribute("aria-colcount", String(COLUMNS.length));
  COLUMNS.forEach((column, number) => {
    const title = column.unseen ? element("span", { class: "unseen" }, column.title) : column.title;
    const content = column.sort ? element("button", { type: "button", "data-sort": column.sort, tabindex: "-1", title: "Sort by this column" }, title) : title;
    const cell = element("div", { role: "columnheader", "aria-colindex": number + 1, "aria-sort": column.sort ? "none" : null }, content);
    if (column.sort) content.addEventListener("click", () => sortBy(column.sort));
    byId("head").append(cell);
  });
  let waiting = false;
  byId("scroll").addEventListener("scroll", () => {
    scrolledAt = performance.now();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      render();
    });
  }, { passive: true });
  new ResizeObserver(render).observe(byId("scroll"));
}

function sortBy(sort) {
  view.sort = view.sort === sort && sort !== "file" ? "file" : sort;
  byId("scroll").scrollTop = 0;
  refresh();
}

function buildFilters() {
  const option = (value, text) => element("option", { value }, text);
  byId("label-filter").append(...DATA.classes.map((name, number) => option(number, visible(name))));
  if (people.some((person) => person.label === null)) byId("label-filter").append(option("none", "no label"));
  for (const [name, values] of FIELDS) {
    const few = [...values].filter((value) => value !== "").sort(natural.compare);
    if (few.length < 2 || few.length > 30) continue;
    const group = element("optgroup", { label: visible(name) });
    for (const value of few) {
      const made = option("", `${visible(name)}: ${visible(value)}`);
      made.dataset.field = name;
      made.dataset.value = value;
      group.append(made);
    }
    byId("field-filter").append(group);
  }
  byId("field-filter").parentElement.hidden = byId("field-filter").length < 2;
  for (const name of FIELDS.keys()) byId("sort").append(option("field " + name, visible(name)));
  const predicted = Object.keys(DATA.predictions).length > 0;
  for (const gone of document.querySelectorAll("[data-needs-predictions]")) if (!predicted) gone.remove();
  for (const name of ["search", "part-filter", "label-filter", "status-filter", "field-filter"]) {
    byId(name).addEventListener(name === "search" ? "input" : "change", () => {
      view.chosen = null;
      view.list = [];
      byId("scroll").scrollTop = 0;
      refresh();
    });
  }
  byId("sort").addEventListener("change", () => {
    view.sort = byId("sort").value;
    byId("scroll").scrollTop = 0;
    refresh();
  });
}
