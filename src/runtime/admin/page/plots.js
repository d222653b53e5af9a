
"use strict";
// Numbers and times as people read them, and plots of the last minutes.

const DASH = "–";
const grouped = new Intl.NumberFormat("en");

function count(number) {
  if (number == null || Number.isNaN(number)) return DASH;
  if (number >= 1e9) return `${(number / 1e9).toFixed(2)} G`;
  if (number >= 1e7) return `${(number / 1e6).toFixed(1)} M`;
  return grouped.format(Math.round(number));
}

function perSecond(number) {
  if (number == null || Number.isNaN(number)) return DASH;
  return number > 0 && number < 10 ? number.toFixed(1) : count(number);
}

function millis(number) {
  if (number == null || Number.isNaN(number)) return DASH;
  if (number >= 1000) return `${(number / 1000).toFixed(1)} s`;
  return `${number < 10 ? number.toFixed(2) : Math.round(number)} ms`;
}

function bytes(number) {
  if (number == null || Number.isNaN(number)) return DASH;
  let unit = 0;
  for (; number >= 1024 && unit < 4; unit++) number /= 1024;
  return `${unit && number < 100 ? number.toFixed(1) : Math.round(number)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

function span(seconds) {
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  if (days >= 1) return `${days} d ${hours % 24} h`;
  if (hours >= 1) return `${hours} h ${minutes % 60} min`;
  return minutes >= 1 ? `${minutes} min` : `${Math.max(0, Math.round(seconds))} s`;
}

function clock(unixMillis) {
  return new Date(unixMillis).toLocaleTimeString("en-GB");
}

// With its day where that is not today.
function moment(unixSeconds) {
  const then = new Date(unixSeconds * 1000);
  const day = then.toDateString() === new Date().toDateString() ? "" : `${then.toLocaleDateString("en-CA")} `;
  return day + clock(then);
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function draw(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Within how many milliseconds this share was done, as far as the buckets of these bounds tell.
function within(buckets, share, bounds) {
  const wanted = (buckets ?? []).reduce((all, one) => all + one, 0) * share;
  if (!(wanted > 0)) return null;
  let below = 0, from = 0;
  for (const [at, bound] of bounds.entries()) {
    if (buckets[at] > 0 && below + buckets[at] >= wanted) return (from + ((bound - from) * (wanted - below)) / buckets[at]) / 1000;
    [below, from] = [below + buckets[at], bound];
  }
  return from / 1000;
}

// The next of 1, 2, 5, 10, 20 ... that holds all of it.
function ceiling(most) {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((bound) => bound >= most * 0.999);
}

// A line through numbers whose last is at the right edge; what is not known is a gap.
function path(numbers, slots, most, width, height) {
  const at = (index) => ((slots - numbers.length + index) / (slots - 1)) * width;
  let line = "", area = "", from = null;
  const end = (index) => {
    if (from != null) area += `L${at(index).toFixed(1)} ${height}Z`;
    from = null;
  };
  numbers.forEach((number, index) => {
    if (number == null) return end(index - 1);
    const point = `${at(index).toFixed(1)} ${(height - (number / most) * height).toFixed(1)}`;
    area += from == null ? `M${at(index).toFixed(1)} ${height}L${point}` : `L${point}`;
    line += (from == null ? "M" : "L") + point + (from == null && numbers[index + 1] == null ? "h.1" : "");
    from ??= index;
  });
  end(numbers.length - 1);
  return { line, area };
}

function greatest(lines) {
  return lines.reduce((most, numbers) => numbers.reduce((of, number) => Math.max(of, number ?? 0), most), 0);
}

// What stands for a thing in its row of a table.
class Spark {
  constructor() {
    this.element = draw("svg", { class: "spark", viewBox: "0 0 112 24", preserveAspectRatio: "none", role: "img" });
    this.paths = ["one area", "one", "bad"].map((name) => draw("path", { class: name }));
    this.element.append(...this.paths);
  }

  show(numbers, refused, slots) {
    const most = ceiling(greatest([numbers, refused]));
    const { line, area } = path(numbers, slots, most, 112, 23);
    const red = refused.some((number) => number > 0) ? path(refused, slots, most, 112, 23).line : "";
    [area, line, red].forEach((d, index) => this.paths[index].setAttribute("d", d));
    this.element.setAttribute("aria-label", `at most ${perSecond(greatest([numbers]))} a second`);
  }
}

// A plot with what it says now, and under the pointer.
class Plot {
  constructor(title, unit, shown, lines) {
    Object.assign(this, { unit, shown, lines, pointed: null, recent: null });
    this.when = make("span");
    this.numbers = lines.map(() => make("b"));
    this.drawing = draw("svg", { class: "plot", viewBox: "0 0 300 72", preserveAspectRatio: "none", role: "img" });
    this.drawing.append(...[0, 36, 72].map((y) => draw("line", { x1: 0, x2: 300, y1: y, y2: y })));
    this.cursor = draw("line", { class: "cursor", y1: 0, y2: 72, visibility: "hidden" });
    this.paths = lines.map((line) => [draw("path", { class: `${line.color} area` }), draw("path", { class: line.color })]);
    this.drawing.append(...this.paths.flat(), this.cursor);
    this.most = make("span");
    const legend = lines.map((line, index) => make("span", { class: line.color }, this.numbers[index], line.name));
    this.title = title;
    this.element = make("figure", {},
      make("figcaption", {}, make("span", {}, title), this.when),
      make("div", { class: "number" }, ...legend), this.drawing,
      make("div", { class: "axis" }, make("span", {}, "5 min ago"), this.most, make("span", {}, "now")));
    this.drawing.addEventListener("pointermove", (event) => this.point(event));
    this.drawing.addEventListener("pointerleave", () => { this.pointed = null; this.tell(); });
  }

  point(event) {
    if (!this.recent) return;
    const box = this.drawing.getBoundingClientRect();
    const slots = this.recent.kept, length = this.recent.at_ms.length;
    const slot = Math.round(((event.clientX - box.left) / box.width) * (slots - 1));
    const index = slot - (slots - length);
    this.pointed = index >= 0 && index < length ? slots - 1 - slot : null;
    this.tell();
  }

  show(recent) {
    this.recent = recent;
    this.drawn = this.lines.map((line) => line.of(recent));
    const most = ceiling(greatest(this.drawn));
    this.drawn.forEach((numbers, index) => {
      const { line, area } = path(numbers, recent.kept, most, 300, 72);
      this.paths[index][0].setAttribute("d", area);
      this.paths[index][1].setAttribute("d", line);
    });
    say(this.most, `top ${this.shown(most)}${this.unit}`);
    this.tell();
  }

  tell() {
    if (!this.recent) return;
    const index = this.recent.at_ms.length - 1 - (this.pointed ?? 0);
    const now = this.drawn.map((numbers) => this.shown(numbers[index]));
    now.forEach((text, at) => say(this.numbers[at], text));
    say(this.when, this.pointed == null ? this.unit.trim() : clock(this.recent.at_ms[index]));
    const x = ((this.recent.kept - 1 - (this.pointed ?? 0)) / (this.recent.kept - 1)) * 300;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    this.cursor.setAttribute("visibility", this.pointed == null ? "hidden" : "visible");
    const told = this.lines.map((line, at) => `${now[at]} ${line.name}`).join(", ");
    this.drawing.setAttribute("aria-label", `${this.title}${this.unit}: ${told}`);
  }
}
