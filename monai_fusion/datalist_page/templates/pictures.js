// Pictures: one grey sheet for 200 people, of which a canvas shows a part; scalograms get their colours here.

const LOADED = new Map();  // the sheets used last: a decoded sheet takes megabytes
const MOST_LOADED = 6;

function sheetOf(number) {
  const wanted = Math.floor(number / DATA.pictures.people_per_sheet);
  let image = LOADED.get(wanted);
  if (!image) {
    const source = document.getElementById(`sheet-${wanted}`);
    image = new Image();
    image.src = source.textContent.trim();
    if (LOADED.size >= MOST_LOADED) LOADED.delete(LOADED.keys().next().value);
  } else {
    LOADED.delete(wanted);
  }
  LOADED.set(wanted, image);
  return image;
}

// Draw a part of a person's cell, `times` as large; `after` adds what is written over it.
function draw(canvas, person, [x, y, width, height], coloured, times, after) {
  const layout = DATA.pictures;
  const place = layout.people[person.number].place;
  canvas.width = width * times;
  canvas.height = height * times;
  canvas.dataset.person = String(person.number);
  const image = sheetOf(place);
  const within = place % layout.people_per_sheet;
  const left = (within % layout.columns) * layout.cell[0] + x;
  const top = Math.floor(within / layout.columns) * layout.cell[1] + y;
  const paint = () => {
    if (canvas.dataset.person !== String(person.number)) return;
    const context = canvas.getContext("2d", { willReadFrequently: coloured });
    context.imageSmoothingEnabled = !coloured;
    context.drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
    if (coloured) colourIn(context, canvas);
    if (after) after(context);
  };
  if (image.complete && image.naturalWidth) paint();
  else image.addEventListener("load", paint, { once: true });
}

function colourIn(context, canvas) {
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const palette = DATA.pictures.palette;
  for (let at = 0; at < pixels.data.length; at += 4) {
    const colour = palette[pixels.data[at]];
    pixels.data[at] = colour >> 16;
    pixels.data[at + 1] = (colour >> 8) & 255;
    pixels.data[at + 2] = colour & 255;
  }
  context.putImageData(pixels, 0, 0);
}

function letters(context, written, size = 18) {
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  context.lineWidth = 4;
  context.strokeStyle = "#000";
  context.fillStyle = "#fff";
  for (const [text, x, y] of written) {
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

function picturesOf(person) {
  const layout = DATA.pictures;
  const about = layout && layout.people[person.number];
  const found = [];
  if (!about) return found;
  const side = layout.side;
  if (about.mri) {
    const ends = [["P", "A"], ["L", "R"], ["L", "R"]];
    const written = ends.flatMap(([left, right], plane) => [[left, plane * 2 * side + 4, 4], [right, (plane + 1) * 2 * side - 18, 4]]);
    const canvas = element("canvas", { role: "img", "aria-label": `MRI of ${person.shown}: middle sagittal, coronal and axial slice; the left of the coronal and axial slice is the participant's left` });
    draw(canvas, person, [0, 0, 3 * side, side], false, 2, (context) => letters(context, written));
    found.push(element("figure", { class: "mri" }, canvas, element("figcaption", {}, "Middle sagittal, coronal and axial slice. Neurological convention: the participant's left (L) is on the left.")));
  }
  layout.conditions.forEach((condition, number) => {
    const segments = about.segments[number];
    if (!segments) return;
    const start = 3 * side + number * layout.condition_width;
    const name = condition ? visible(condition) : "EEG";
    const mean = element("canvas", { role: "img", "aria-label": `Mean scalogram of ${person.shown}, ${name}` });
    draw(mean, person, [start, 0, side, side], true, 2);
    const figure = element("figure", { class: "eeg" }, element("div", { class: "beside" }, mean));
    let text = `${name}: mean scalogram of ${segments} ${segments === 1 ? "segment" : "segments"} over the electrodes; frequency in the file's order from the top, time to the right.`;
    if (layout.grid) {
      const { columns, rows, tile, names } = layout.grid;
      const grid = element("canvas", { role: "img", "aria-label": `Scalogram of each electrode of ${person.shown}, ${name}` });
      const written = names.map((each, place) => [each, (place % columns) * tile * 3 + 2, Math.floor(place / columns) * tile * 3 + 2]);
      draw(grid, person, [start + side, 0, columns * tile, rows * tile], true, 3, (context) => letters(context, written, 13));
      figure.firstChild.append(grid);
      text += " Beside it each electrode against the middle of all: bright is more, dark is less, black is constant.";
      if (!names.length) text += " Electrodes are in the file's order.";
    }
    figure.append(element("figcaption", {}, text));
    found.push(figure);
  });
  return found;
}

// Thumbnails wait until the list stands still, and then take a few milliseconds of a frame: scrolling stays smooth.
const WAITING = [];
const STILL = 90;  // milliseconds
let scrolledAt = -STILL;
let painting = false;

function thumbnail(person) {
  const layout = DATA.pictures;
  const about = layout && layout.people[person.number];
  if (!about) return null;
  const canvas = element("canvas", { "aria-hidden": "true", width: layout.side, height: layout.side });
  const side = layout.side;
  const condition = about.segments.findIndex(Boolean);
  if (about.mri) WAITING.push(() => canvas.isConnected && draw(canvas, person, [2 * side, 0, side, side], false, 1));
  else if (condition >= 0) WAITING.push(() => canvas.isConnected && draw(canvas, person, [3 * side + condition * layout.condition_width, 0, side, side], true, 1));
  return canvas;
}

function paintWaiting() {
  if (painting || !WAITING.length) return;
  painting = true;
  requestAnimationFrame(function step(now) {
    const end = performance.now() + 5;
    if (now - scrolledAt > STILL) while (WAITING.length && performance.now() < end) WAITING.shift()();
    painting = WAITING.length > 0;
    if (painting) requestAnimationFrame(step);
  });
}
