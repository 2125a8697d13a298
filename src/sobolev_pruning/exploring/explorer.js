// The explorer: `network`, and `rival` where there is one, are surrogates as modules; `content` is what the page knows of
// them beside: the title, what is proved in the parts of the box, measured errors, slices of the truth.

const inputs = network.INPUTS, outputs = network.OUTPUTS;
const [lower, upper] = network.BOX;
const middle = lower.map((low, i) => (low + upper[i]) / 2);
const element = (id) => document.getElementById(`explorer-${id}`);
const state = { x: middle.slice(), output: 0, shown: "value", across: 0, up: 0 };

// ---- What is computed -------------------------------------------------------------------------------------------------

const ofOutput = (found, output) => (Array.isArray(found) && outputs.length === found.length && !flat ? found[output] : found);
const flat = !Array.isArray(network.value(middle));

function quantities() {
  const name = outputs[state.output].name;
  const list = [["value", name]];
  inputs.forEach((input, i) => list.push([`slope ${i}`, `slope in ${input.name}`]));
  inputs.forEach((input, i) => list.push([`curvature ${i}`, `curvature in ${input.name}`]));
  if (rival) list.push(["difference", `${name} less that of ${content.rival}`]);
  return list;
}

/** The quantity `shown` of `model` as a function of a point. */
function quantity(shown, model, output = state.output) {
  const [kind, i] = shown.split(" ");
  if (kind === "slope") return (x) => ofOutput(model.gradient(x), output)[i];
  if (kind === "curvature") {
    const along = inputs.map((_, j) => (j === Number(i) ? 1 : 0));
    return (x) => ofOutput(model.hvp(x, along), output)[i];
  }
  if (kind === "difference") return (x) => ofOutput(network.value(x), output) - ofOutput(rival.value(x), output);
  return (x) => ofOutput(model.value(x), output);
}

const WITHIN = 1.6449; // standard errors on either side of a normal law that hold 90%

/** Half the width of the error bars of `shown` at `x`; null where there are none for it. */
function barOf(shown, x) {
  const [kind, i] = shown.split(" ");
  if (!network.standardErrors || (kind !== "value" && kind !== "slope")) return null;
  const { value, gradient } = network.standardErrors(x), k = state.output;
  return WITHIN * (kind === "value" ? ofOutput(value, k) : ofOutput(gradient, k)[i]);
}

const moved = (x, i, entry) => x.map((other, j) => (j === i ? entry : other));
const between = (i, share) => (share === 1 ? upper[i] : lower[i] + share * (upper[i] - lower[i]));

/** Points that fill the box (additive recurrence with square roots of primes), for ranges and importances. */
const PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97];
const filling = Array.from({ length: 256 }, (_, n) =>
  inputs.map((_, i) => between(i, ((n + 0.5) * Math.sqrt(PRIMES[i % PRIMES.length]) * (1 + Math.floor(i / PRIMES.length) / 7)) % 1)));

const ranges = new Map();
/** Where the quantity lies in the whole box, from the filling points: the scale of slices and map stands still. */
function rangeShown() {
  const key = `${state.shown} of ${state.output}`;
  if (!ranges.has(key)) {
    const found = filling.map(quantity(state.shown, network));
    const low = Math.min(...found), high = Math.max(...found);
    const margin = 0.06 * (high - low) || 1e-9 * Math.abs(low) || 1e-9;
    ranges.set(key, [low - margin, high + margin]);
  }
  return ranges.get(key);
}

/** Inputs by how much the output moves with them across the box, the most important first. */
const importance = (() => {
  const sums = inputs.map(() => 0);
  for (const x of filling.slice(0, 64)) {
    const found = network.gradient(x);
    for (const row of flat ? [found] : found) row.forEach((slope, i) => (sums[i] += Math.abs(slope) * (upper[i] - lower[i])));
  }
  return inputs.map((_, i) => i).sort((i, j) => sums[j] - sums[i] || i - j);
})();
const MOST = 12;
const foremost = importance.slice(0, MOST).sort((i, j) => i - j);

const dot = (direction, x) => direction.reduce((sum, entry, i) => sum + entry * x[i], 0);

/** The parts of the box where `x` may lie, by their numbers: several where rounding leaves open on which side of an edge. */
function partsAt(x) {
  return content.proved.directions.reduce((found, direction, k) => {
    const edges = content.proved.edges[k], last = edges.length - 2, place = dot(direction, x);
    const slack = 1e-12 * direction.reduce((sum, entry, i) => sum + Math.abs(entry * x[i]), 0);
    const here = [];
    for (let part = 0; part <= last; ++part) {
      if ((part === 0 || edges[part] <= place + slack) && (part === last || place - slack <= edges[part + 1])) here.push(part);
    }
    return found.flatMap((number) => here.map((part) => number * (last + 1) + part));
  }, [0]);
}

/** What is proved where `x` lies: bounds of the value and of each slope; null outside of the box, or where nothing is. */
function provedAt(x) {
  if (!content.proved || !network.inRange(x)) return null;
  const { lower: below, upper: above } = content.proved, parts = partsAt(x), k = state.output;
  const joined = (choose, ends, read) => choose(...parts.map((part) => read(ends, part)));
  const bounds = (ends, choose) => ({
    value: joined(choose, ends, ({ value }, part) => value[part][k]),
    gradient: inputs.map((_, i) => joined(choose, ends, ({ gradient }, part) => gradient[part][k][i])),
  });
  return { low: bounds(below, Math.min), high: bounds(above, Math.max) };
}

function provedOf(shown, x) {
  const [kind, i] = shown.split(" "), proved = provedAt(x);
  if (!proved || (kind !== "value" && kind !== "slope")) return null;
  return kind === "value" ? [proved.low.value, proved.high.value] : [proved.low.gradient[i], proved.high.gradient[i]];
}

// ---- How numbers and names are written ----------------------------------------------------------------------------------

function written(number, digits = 6) {
  if (!Number.isFinite(number)) return "not finite";
  if (number === 0) return "0";
  const size = Math.abs(number);
  return (size < 1e-4 || size >= 1e7 ? number.toExponential(digits - 1) : number.toPrecision(digits)).replace("-", "\u2212");
}
const short = (number) => written(Number(number.toPrecision(3)), 3).replace(/(\.\d*?)0+($|e)/, "$1$2").replace(/\.($|e)/, "$1");
const withUnit = ({ name, unit }) => (unit ? `${name} [${unit}]` : name);

function made(tag, attributes = {}, ...children) {
  const drawn = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) drawn.setAttribute(name, content);
  drawn.append(...children);
  return drawn;
}

// ---- Inputs -------------------------------------------------------------------------------------------------------------

let typed = null; // the field that is being written in, which keeps what stands there
const fields = inputs.map((input, i) => {
  const slider = made("input", { type: "range", min: 0, max: 1000, step: 1, "aria-label": withUnit(input) });
  const field = made("input", { type: "number", step: "any", "aria-label": `${withUnit(input)} as a number` });
  const range = made("span", { class: "note number" }, `${short(lower[i])} to ${short(upper[i])}`);
  const name = made("span", { class: "name" }, made("b", {}, input.name), input.unit ? ` [${input.unit}] ` : " ", range);
  slider.addEventListener("input", () => set(moved(state.x, i, between(i, slider.value / 1000))));
  field.addEventListener("input", () => {
    if (field.value !== "" && Number.isFinite(field.valueAsNumber)) set(moved(state.x, i, field.valueAsNumber), field);
  });
  field.addEventListener("blur", () => { typed = null; draw(); });
  return { row: made("div", { class: "input" }, name, slider, field), slider, field };
});
foremost.forEach((i) => element("inputs").append(fields[i].row));
if (foremost.length < inputs.length) {
  const others = inputs.map((_, i) => i).filter((i) => !foremost.includes(i));
  const more = made("details", {}, made("summary", {}, `${others.length} inputs that matter less`));
  others.forEach((i) => more.append(fields[i].row));
  element("inputs").append(more);
}

// ---- Choices --------------------------------------------------------------------------------------------------------------

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([key, text]) => made("option", { value: key }, text)));
  select.value = chosen;
}
const indices = inputs.map((input, i) => [i, input.name]);
state.across = importance[0];
state.up = importance[Math.min(1, importance.length - 1)];
options(element("output"), outputs.map((output, k) => [k, withUnit(output)]), 0);
element("output").closest("label").hidden = outputs.length === 1;
element("map").hidden = inputs.length === 1;
for (const [id, read] of [
  ["output", (choice) => { state.output = Number(choice); }],
  ["shown", (choice) => { state.shown = choice; }],
  ["across", (choice) => { state.across = Number(choice); }],
  ["up", (choice) => { state.up = Number(choice); }],
]) element(id).addEventListener("change", ({ target }) => { read(target.value); choose(); changed(); });

function choose() {
  options(element("shown"), quantities(), state.shown);
  options(element("across"), indices, state.across);
  options(element("up"), indices, state.up);
  element("output").value = state.output;
}

// ---- Tables and sentences -----------------------------------------------------------------------------------------------

function tell() {
  const { x, output } = state;
  const value = quantity("value", network)(x), name = withUnit(outputs[output]), proved = provedAt(x);
  element("name").textContent = name;
  element("value").textContent = written(value);
  const beside = [];
  const bars = network.standardErrors?.(x);
  if (bars) beside.push(`within \u00b1${short(WITHIN * ofOutput(bars.value, output))} in nine of ten such cases`);
  if (proved) beside.push(`proved: between ${written(proved.low.value, 4)} and ${written(proved.high.value, 4)} in this part of the box`);
  if (content.errors) beside.push(`typical error ${short(content.errors[output])}, measured on points never used`);
  if (rival) {
    const other = quantity("value", rival)(x);
    beside.push(`${content.rival}: ${written(other)}, a difference of ${short(value - other)}`);
  }
  element("beside").replaceChildren(...beside.map((text) => made("li", {}, text)));
  const gradient = ofOutput(network.gradient(x), output), bends = ofOutput(network.hessian(x), output);
  const compared = rival && ofOutput(rival.gradient(x), output);
  element("slopes").replaceChildren(...foremost.map((i) => made("tr", {},
    made("th", { scope: "row" }, inputs[i].name),
    made("td", {}, written(gradient[i])),
    ...(bars ? [made("td", {}, short(WITHIN * ofOutput(bars.gradient, output)[i]))] : []),
    ...(content.proved ? [made("td", {}, proved ? `${short(proved.low.gradient[i])} to ${short(proved.high.gradient[i])}` : "\u2013")] : []),
    made("td", {}, written(bends[i][i], 4)),
    ...(rival ? [made("td", {}, written(compared[i]))] : []))));
  const outside = inputs.filter((_, i) => !(lower[i] <= x[i] && x[i] <= upper[i])).map(({ name }) => name);
  const edge = inputs.filter((_, i) => x[i] === lower[i] || x[i] === upper[i]).map(({ name }) => name);
  element("warning").hidden = !outside.length && !edge.length;
  element("warning").classList.toggle("outside", outside.length > 0);
  element("warning").textContent = outside.length
    ? `Outside of its range: ${outside.join(", ")}. What you see is extrapolated, and nothing promised holds there.`
    : `At the edge of its range: ${edge.join(", ")}.`;
}

let speaking;
/** What a screen reader says, once the inputs rest. */
function say() {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const warning = element("warning");
    element("said").textContent =
      `${element("name").textContent}: ${element("value").textContent}. ${warning.hidden ? "" : warning.textContent}`;
  }, 400);
}

// ---- Slices ---------------------------------------------------------------------------------------------------------------

const WIDE = 220, HIGH = 120;
const slices = foremost.map((i) => {
  const parts = Object.fromEntries(["proved", "bars", "truth", "rival", "line"].map((name) => [name, made("svg:path", { class: name })]));
  const mark = made("svg:line", { class: "mark", y1: 0, y2: HIGH }), dot = made("svg:circle", { class: "mark", r: 3.5 });
  const drawing = made("svg:svg", { class: "figure", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none" },
    ...Object.values(parts), mark);
  const over = made("svg:svg", { class: "over", "aria-hidden": "true" }, dot);
  const high = made("span"), low = made("span");
  const plot = made("div", { class: "plot" }, drawing, over);
  drawing.setAttribute("role", "img");
  const go = (event) => {
    const seen = drawing.getBoundingClientRect();
    set(moved(state.x, i, between(i, Math.min(1, Math.max(0, (event.clientX - seen.left) / seen.width)))));
  };
  plot.addEventListener("pointerdown", (event) => { plot.setPointerCapture(event.pointerId); go(event); });
  plot.addEventListener("pointermove", (event) => { if (plot.hasPointerCapture(event.pointerId)) go(event); });
  element("slices").append(made("figure", { class: "panel" }, made("figcaption", {}, made("b", {}, withUnit(inputs[i]))),
    made("div", { class: "note scale" }, high, low), plot,
    made("div", { class: "note axis" }, made("span", {}, short(lower[i])), made("span", {}, short(upper[i])))));
  return { i, ...parts, mark, dot, drawing, high, low };
});

function drawSlices(points, barPoints) {
  const [low, high] = rangeShown();
  const down = (y) => HIGH * (1 - (y - low) / (high - low));
  const shares = Array.from({ length: points }, (_, n) => n / (points - 1));
  const path = (found) => found.map((y, n) => `${n ? "L" : "M"}${(WIDE * shares[n]).toFixed(1)} ${down(y).toFixed(2)}`).join("");
  const ours = quantity(state.shown, network), theirs = rival && state.shown !== "difference" ? quantity(state.shown, rival) : null;
  for (const slice of slices) {
    const { i } = slice, along = shares.map((share) => moved(state.x, i, between(i, share)));
    slice.line.setAttribute("d", path(along.map(ours)));
    slice.rival.setAttribute("d", theirs ? path(along.map(theirs)) : "");
    slice.proved.setAttribute("d", provedBand(i, down));
    slice.bars.setAttribute("d", barBand(i, down, barPoints, ours));
    slice.truth.setAttribute("d", truthDots(i, down));
    const at = (state.x[i] - lower[i]) / (upper[i] - lower[i]), here = ours(state.x);
    slice.mark.setAttribute("x1", WIDE * at);
    slice.mark.setAttribute("x2", WIDE * at);
    slice.dot.setAttribute("cx", `${100 * at}%`);
    slice.dot.setAttribute("cy", `${(100 * down(here)) / HIGH}%`);
    slice.high.textContent = short(high);
    slice.low.textContent = short(low);
    slice.drawing.setAttribute("aria-label", `${element("shown").selectedOptions[0].text} over ${inputs[i].name}: ${short(here)} at ${short(state.x[i])}`);
  }
}

/** The band of the error bars, by its upper edge and back by its lower. */
function barBand(i, down, points, ours) {
  if (points < 5 || barOf(state.shown, state.x) === null) return "";
  const edges = Array.from({ length: points }, (_, n) => {
    const there = moved(state.x, i, between(i, n / (points - 1))), y = ours(there), bar = barOf(state.shown, there);
    return [(WIDE * n) / (points - 1), down(y + bar), down(y - bar)].map((entry) => entry.toFixed(2));
  });
  const high = edges.map(([x, top]) => `${x} ${top}`), low = edges.map(([x, , bottom]) => `${x} ${bottom}`).reverse();
  return `M${[...high, ...low].join("L")}Z`;
}

/** The band that is proved, part by part of the box. */
function provedBand(i, down) {
  if (!content.proved || !["value", "slope"].includes(state.shown.split(" ")[0])) return "";
  const start = moved(state.x, i, lower[i]), crossed = new Set([0, 1]);
  content.proved.directions.forEach((direction, k) => {
    const first = dot(direction, start), whole = direction[i] * (upper[i] - lower[i]);
    for (const edge of whole ? content.proved.edges[k] : []) {
      const share = (edge - first) / whole;
      if (share > 0 && share < 1) crossed.add(share);
    }
  });
  const shares = [...crossed].sort((one, other) => one - other);
  let drawn = "";
  for (let n = 1; n < shares.length; ++n) {
    const bounds = provedOf(state.shown, moved(state.x, i, between(i, 0.5 * (shares[n - 1] + shares[n]))));
    if (!bounds) return "";
    const [left, right] = [shares[n - 1], shares[n]].map((share) => (WIDE * share).toFixed(2));
    const [bottom, top] = bounds.map((y) => Math.min(2 * HIGH, Math.max(-HIGH, down(y))).toFixed(2));
    drawn += `M${left} ${bottom}H${right}V${top}H${left}Z`;
  }
  return drawn;
}

/** Dots of the truth, stored along each input with the others in the middle: shown where the others are there. */
function truthDots(i, down) {
  const stored = content.truth?.find(({ input, output }) => input === i && output === state.output);
  const [kind, of] = state.shown.split(" ");
  const heights = kind === "value" ? stored?.value : kind === "slope" && Number(of) === i ? stored?.slope : null;
  const aside = state.x.some((entry, j) => j !== i && Math.abs(entry - middle[j]) > 1e-9 * (upper[j] - lower[j]));
  if (!heights || aside) return "";
  return heights.map((y, n) => {
    const at = (WIDE * (stored.places[n] - lower[i])) / (upper[i] - lower[i]);
    return `M${at.toFixed(1)} ${down(y).toFixed(2)}h0.01`;
  }).join("");
}

// ---- The map --------------------------------------------------------------------------------------------------------------

const canvas = element("canvas");
/** Stops of a scale for one sign, after viridis; and of one for both, blue and orange around the page's colour. */
const ONE_SIGN = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const BOTH_SIGNS = () => [[31, 111, 208], [140, 180, 232], dark.matches ? [60, 60, 58] : [244, 243, 239], [236, 170, 120], [191, 79, 6]];
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => draw());

function colour(stops, share) {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1), n = Math.min(stops.length - 2, Math.floor(place));
  return stops[n].map((from, c) => from + (place - n) * (stops[n + 1][c] - from));
}

function scaleShown() {
  const [low, high] = rangeShown(), most = Math.max(-low, high);
  if (Math.min(-low, high) > 0.15 * most) return { low: -most, high: most, stops: BOTH_SIGNS() };
  return { low, high, stops: ONE_SIGN };
}

function drawMap(side) {
  if (element("map").hidden) return;
  const { across, up } = state, { low, high, stops } = scaleShown(), ours = quantity(state.shown, network);
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), picture = context.createImageData(side, side);
  for (let row = 0, at = 0; row < side; ++row) {
    for (let column = 0; column < side; ++column, at += 4) {
      const there = moved(state.x, up, between(up, 1 - (row + 0.5) / side));
      there[across] = between(across, (column + 0.5) / side);
      picture.data.set([...colour(stops, (ours(there) - low) / (high - low)), 255], at);
    }
  }
  context.putImageData(picture, 0, 0);
  const place = (i) => (state.x[i] - lower[i]) / (upper[i] - lower[i]);
  element("cross").style.left = `${100 * place(across)}%`;
  element("cross").style.top = `${100 * (1 - place(up))}%`;
  element("cross").hidden = !(place(across) >= 0 && place(across) <= 1 && place(up) >= 0 && place(up) <= 1);
  const bar = stops.map((stop) => `rgb(${stop.join(" ")})`).join(", ");
  element("bar").style.background = `linear-gradient(to right, ${bar})`;
  element("low").textContent = short(low);
  element("high").textContent = short(high);
  for (const [id, i] of [["x-axis", across], ["y-axis", up]]) {
    element(id).replaceChildren(made("span", {}, short(lower[i])), made("b", {}, withUnit(inputs[i])), made("span", {}, short(upper[i])));
  }
  canvas.setAttribute("aria-label",
    `Map of ${element("shown").selectedOptions[0].text} over ${inputs[across].name} and ${inputs[up].name}; the arrow keys move the point.`);
}

function toMap(event) {
  const seen = canvas.getBoundingClientRect(), share = (part) => Math.min(1, Math.max(0, part));
  const x = moved(state.x, state.up, between(state.up, 1 - share((event.clientY - seen.top) / seen.height)));
  set(moved(x, state.across, between(state.across, share((event.clientX - seen.left) / seen.width))));
}
canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); toMap(event); });
canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) toMap(event); });
canvas.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: ["across", -1], ArrowRight: ["across", 1], ArrowDown: ["up", -1], ArrowUp: ["up", 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const i = state[step[0]], to = state.x[i] + (step[1] * (upper[i] - lower[i])) / 50;
  set(moved(state.x, i, Math.min(upper[i], Math.max(lower[i], to))));
});

// ---- Drawing, coarse while something moves, fine when it rests ----------------------------------------------------------

const IN_A_FRAME = 9; // milliseconds of the 16 that a frame has at 60 a second
const costs = new Map();
/** Milliseconds of one call of `one`, measured once under the name `kind`. */
function cost(kind, one) {
  if (!costs.has(kind)) {
    for (let n = 0; n < 2; ++n) { // the first time while the browser still compiles
      const start = performance.now();
      let times = 0;
      do { one(filling[times++ % filling.length]); } while (performance.now() - start < 5);
      costs.set(kind, (performance.now() - start) / times);
    }
  }
  return costs.get(kind);
}

function draw(coarse = false) {
  const [kind] = state.shown.split(" ");
  const affordable = IN_A_FRAME / (cost(kind, quantity(state.shown, network)) * (rival ? 2 : 1));
  const bars = network.standardErrors ? IN_A_FRAME / cost("bars", network.standardErrors) : 0;
  fields.forEach(({ slider, field }, i) => {
    slider.value = Math.round((1000 * (state.x[i] - lower[i])) / (upper[i] - lower[i]));
    if (field !== typed) field.value = String(Number(state.x[i].toPrecision(6)));
  });
  tell();
  const most = (share, number, least, finest) => Math.round(Math.min(finest, Math.max(least, share * number)));
  const points = coarse ? most(0.4 / slices.length, affordable, 9, 81) : 121;
  drawSlices(points, bars ? (coarse ? most(0.3 / slices.length, bars, 0, 41) : 61) : 0);
  drawMap(coarse ? most(1, Math.sqrt(0.3 * affordable), 8, 48) : 64);
}

let waiting = false, resting;
function changed() {
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw(true);
    });
  }
  clearTimeout(resting);
  resting = setTimeout(() => { draw(); history.replaceState(null, "", link()); }, 180);
  say();
}

function set(x, by = null) {
  state.x = x;
  typed = by;
  changed();
}

// ---- What can be taken along --------------------------------------------------------------------------------------------

function link() {
  const said = new URLSearchParams(inputs.map(({ name }, i) => [name, String(state.x[i])]));
  return `#${said}&:show=${encodeURIComponent(state.shown)}&:output=${state.output}&:map=${state.across},${state.up}`;
}

function readLink() {
  const said = new URLSearchParams(location.hash.slice(1));
  state.x = inputs.map(({ name }, i) => {
    const number = Number(said.get(name) ?? NaN);
    return Number.isFinite(number) ? number : middle[i];
  });
  const output = Number(said.get(":output")), pair = (said.get(":map") ?? "").split(",").map(Number);
  if (outputs[output]) state.output = output;
  if (quantities().some(([key]) => key === said.get(":show"))) state.shown = said.get(":show");
  if (pair.length === 2 && pair.every((i) => inputs[i])) [state.across, state.up] = pair;
}

const inCsv = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const ways = {
  link: () => location.href.split("#")[0] + link(),
  csv: () => {
    const rows = outputs.map((_, k) => ofOutput(network.gradient(state.x), k));
    const slopes = outputs.flatMap((output) => inputs.map((input) => `d${output.name}/d${input.name}`));
    const names = [...inputs.map(({ name }) => name), ...outputs.map(({ name }) => name), ...slopes];
    return `${names.map(inCsv).join(",")}\n${[state.x, [network.value(state.x)], rows].flat(2).join(",")}\n`;
  },
  python: () => `network.value([[${state.x.join(", ")}]]), network.gradient([[${state.x.join(", ")}]])`,
  javascript: () => `value([${state.x.join(", ")}]); gradient([${state.x.join(", ")}]);`,
};

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // pages from a folder may not use the clipboard everywhere: the old way
    const area = made("textarea", { readonly: "" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
document.querySelectorAll("#explorer [data-copy]").forEach((button) => button.addEventListener("click", async () => {
  await copied(ways[button.dataset.copy]());
  element("copied").textContent = `Copied: ${button.textContent.toLowerCase()}.`;
}));
element("middle").addEventListener("click", () => set(middle.slice()));
addEventListener("hashchange", () => { readLink(); choose(); changed(); });

readLink();
choose();
draw();
globalThis.explorer = { network, rival, set, state, ways };
