// The rules of monai_fusion/datalist/changes/row_texts.py: the text of a datalist from its pieces. What nobody edited
// keeps every byte. A member is [name, text up to the value, value, text behind it]; all four are text of the file.
"use strict";

const PARTS = ["training", "validation", "test"];

function rowText(row) {
  return typeof row === "string" ? row : "{" + row.map((member) => member[1] + member[2] + member[3]).join(",") + "}";
}

function withField(row, name, value) {
  const written = JSON.stringify(value);
  if (row.some((member) => member[0] === name)) {
    return row.map((member) => (member[0] === name ? [name, member[1], written, member[3]] : member));
  }
  const last = row[row.length - 1];
  const space = indentOf(last) || " ";
  return [...row.slice(0, -1), [last[0], last[1], last[2], ""], [name, `${space}${JSON.stringify(name)}: `, written, last[3]]];
}

function withoutField(row, name) {
  const kept = row.filter((member) => member[0] !== name);
  if (kept.length === row.length || kept.length === 0) return row;
  const first = kept[0];
  kept[0] = [first[0], indentOf(row[0]) + first[1].slice(indentOf(first).length), first[2], first[3]];
  const last = kept[kept.length - 1];
  kept[kept.length - 1] = [last[0], last[1], last[2], row[row.length - 1][3]];
  return kept;
}

function indentOf(member) {
  return /^[ \t\r\n]*/.exec(member[1])[0];
}

function sectionText(section, rows) {
  if (section.head && rows.length === 0) return "";
  const [first, between, last] = section.style;
  let gaps = section.gaps;
  if (rows.length !== section.rows.length) {
    gaps = rows.length ? [first, ...Array(rows.length - 1).fill(between), last] : [""];
  }
  return section.head + "[" + rows.map((row, place) => gaps[place] + rowText(row)).join("") + gaps[gaps.length - 1] + "]";
}

function fileText(pieces, rowsOfParts) {
  return pieces.map((piece) => (typeof piece === "string" ? piece : sectionText(piece, rowsOfParts[piece.name]))).join("");
}

// The value of a field, from its text; undefined if there is no such field, its own text if it is no JSON to a browser.
function fieldOf(row, name) {
  if (typeof row === "string") return undefined;
  for (let place = row.length - 1; place >= 0; place -= 1) {
    if (row[place][0] === name) return valueOf(row[place][2]);
  }
  return undefined;
}

function valueOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// What cannot be seen is written out, as the terminal's messages do: two ids that look alike do not, and no character
// turns the direction of the text behind it.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2010\u2011\u2800\u3164\uffa0\ufe00-\ufe0f]|(?! )\p{Zs}/gu;

function visible(text, keepLines = false) {
  return String(text).replace(UNSEEN, (found) => {
    if (keepLines && found === "\n") return found;
    const short = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[found];
    if (short) return short;
    let escaped = "";
    for (let unit = 0; unit < found.length; unit += 1) {
      escaped += "\\u" + found.charCodeAt(unit).toString(16).padStart(4, "0");
    }
    return escaped;
  });
}
