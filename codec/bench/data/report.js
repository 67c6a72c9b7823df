"use strict";
const byId = (id) => document.getElementById(id);

// Light or dark: as the system says, until the button says otherwise.
{
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
  };
  system.addEventListener("change", apply);
  byId("theme").addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    apply();
  });
  apply();
}

// The legend shows and hides curves in every plot at once.
for (const key of document.querySelectorAll(".key")) {
  const apply = () => {
    const on = key.getAttribute("aria-pressed") === "true";
    for (const series of document.querySelectorAll("#curves .series")) {
      if (series.dataset.key === key.dataset.key) {
        series.classList.toggle("off", !on);
      }
    }
  };
  key.addEventListener("click", () => {
    const on = key.getAttribute("aria-pressed") === "true";
    key.setAttribute("aria-pressed", String(!on));
    apply();
  });
  apply();
}

// Headings of the per-picture table sort it; empty cells stay last.
for (const [column, head] of [
  ...document.querySelectorAll("#pictures-table thead th"),
].entries()) {
  head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.children) {
      other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = byId("pictures-table").tBodies[0];
    const value = (row) => {
      const cell = row.cells[column];
      if (column === 0) return cell.textContent;
      return cell.dataset.value === "" ? null : Number(cell.dataset.value);
    };
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a);
      const y = value(b);
      if (x === null || y === null) return (x === null) - (y === null);
      const order = x < y ? -1 : x > y ? 1 : 0;
      return up ? order : -order;
    });
    body.append(...rows);
  });
}

// The viewer: one canvas, drawn anew whenever anything changes.
const pictures = JSON.parse(byId("views").textContent);
if (pictures.length) {
  const canvas = byId("v-canvas");
  const state = {
    picture: 0, level: "", left: "original", right: "", at: 0.5, zoom: 1,
    x: 0.5, y: 0.5, difference: false, gain: 8,
  };
  const loaded = new Map();
  let differenceOf = "";
  const differenceCanvas = document.createElement("canvas");

  const view = (side) => {
    const views = pictures[state.picture].views;
    return views.find((v) => v.codec === state[side] &&
      (v.level === state.level || v.codec === "original"));
  };

  function image(v) {
    if (!loaded.has(v.image)) {
      const picture = new Image();
      picture.addEventListener("load", draw);
      picture.src = v.image;
      loaded.set(v.image, picture);
    }
    const picture = loaded.get(v.image);
    return picture.complete && picture.naturalWidth ? picture : null;
  }

  function pixels(picture) {
    const copy = document.createElement("canvas");
    copy.width = picture.naturalWidth;
    copy.height = picture.naturalHeight;
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, copy.width, copy.height);
  }

  function difference(a, b, id) {
    if (differenceOf !== id) {
      const one = pixels(a);
      const two = pixels(b).data;
      for (let i = 0; i < two.length; i++) {
        one.data[i] = i % 4 === 3 ? 255
          : Math.abs(one.data[i] - two[i]) * state.gain;
      }
      differenceCanvas.width = one.width;
      differenceCanvas.height = one.height;
      differenceCanvas.getContext("2d").putImageData(one, 0, 0);
      differenceOf = id;
    }
    return differenceCanvas;
  }

  // Keeps the visible part inside the picture.
  function clamp() {
    const half = 0.5 / state.zoom;
    state.x = Math.min(1 - half, Math.max(half, state.x));
    state.y = Math.min(1 - half, Math.max(half, state.y));
  }

  function draw() {
    // Pictures load later; whoever waits must not see an earlier "yes".
    canvas.dataset.ready = "";
    clamp();
    const { width, height } = pictures[state.picture];
    const box = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.width * ratio * height / width);
    const context = canvas.getContext("2d");
    const w = width / state.zoom;
    const h = height / state.zoom;
    const from = [state.x * width - w / 2, state.y * height - h / 2, w, h];
    const left = image(view("left"));
    const right = image(view("right"));
    if (!left || !right) return;
    // Enlarged pixels are shown as they are, not blurred.
    context.imageSmoothingEnabled = canvas.width < w;
    const edge = canvas.width * state.at;
    if (state.difference) {
      const id = [view("left").image.length, view("right").image.length,
        state.picture, state.level, state.left, state.right,
        state.gain].join();
      context.drawImage(difference(left, right, id), ...from, 0, 0,
        canvas.width, canvas.height);
    } else {
      for (const [picture, start, end] of [[left, 0, edge],
        [right, edge, canvas.width]]) {
        context.save();
        context.beginPath();
        context.rect(start, 0, end - start, canvas.height);
        context.clip();
        context.drawImage(picture, ...from, 0, 0, canvas.width,
          canvas.height);
        context.restore();
      }
      context.fillStyle = "rgb(255 255 255 / .9)";
      context.fillRect(edge - ratio, 0, 2 * ratio, canvas.height);
      context.beginPath();
      context.arc(edge, canvas.height / 2, 13 * ratio, 0, 7);
      context.fill();
      context.fillStyle = "#333";
      context.font = `${14 * ratio}px sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText("↔", edge, canvas.height / 2);
    }
    canvas.dataset.ready = "yes";
  }

  function describe(v) {
    if (v.codec === "original") return "original, 24 bpp";
    return `${v.label}, ${v.bpp.toFixed(3)} bpp, ` +
      `${v.bytes.toLocaleString("en-GB")} bytes, ${v.psnr_db.toFixed(2)} dB`;
  }

  function update() {
    const { width, height } = pictures[state.picture];
    const stage = canvas.parentNode;
    stage.style.maxWidth = `min(100%, ${80 * width / height}vh)`;
    for (const side of ["left", "right"]) {
      byId(`v-tag-${side}`).textContent = view(side).label;
      byId(`v-tag-${side}`).hidden = state.difference;
    }
    const shown = `left: ${describe(view("left"))}; right: ` +
      describe(view("right"));
    byId("v-caption").textContent = state.difference
      ? `Difference × ${state.gain}; ${shown}` : shown;
    canvas.setAttribute("aria-label", byId("v-caption").textContent);
    canvas.classList.toggle("zoomed", state.zoom > 1);
    byId("v-zoom").textContent = `${Number(state.zoom.toFixed(1))}×`;
    byId("v-slider").value = state.at * 100;
    byId("v-slider").disabled = state.difference;
    byId("v-difference").setAttribute("aria-pressed", state.difference);
    for (const name of ["picture", "level", "left", "right"]) {
      byId(`v-${name}`).value = state[name];
    }
    draw();
  }

  function set(change) {
    Object.assign(state, change);
    state.at = Math.min(1, Math.max(0, state.at));
    state.zoom = Math.min(16, Math.max(1, state.zoom));
    update();
  }

  // Zooms around a point of the canvas, given as fractions of it.
  function zoomAt(factor, fx = 0.5, fy = 0.5) {
    const zoom = Math.min(16, Math.max(1, state.zoom * factor));
    set({
      x: state.x + (fx - 0.5) * (1 / state.zoom - 1 / zoom),
      y: state.y + (fy - 0.5) * (1 / state.zoom - 1 / zoom), zoom,
    });
  }

  const choices = (id, options) => byId(id).replaceChildren(
    ...options.map(([value, text]) => new Option(text, value)));
  const first = pictures[0].views;
  const codecs = new Map(first.map((v) => [v.codec, v.label]));
  const levels = [...new Set(first.map((v) => v.level).filter(Boolean))];
  choices("v-picture", pictures.map((p, i) => [i, p.name]));
  choices("v-level", levels.map((level) => [level, level]));
  choices("v-left", [...codecs]);
  choices("v-right", [...codecs]);
  for (const name of ["picture", "level", "left", "right"]) {
    byId(`v-${name}`).addEventListener("change", (event) => {
      const { value } = event.target;
      set({ [name]: name === "picture" ? Number(value) : value });
    });
  }
  byId("v-slider").addEventListener("input", (event) =>
    set({ at: event.target.value / 100 }));
  byId("v-difference").addEventListener("click", () =>
    set({ difference: !state.difference }));
  byId("v-gain").addEventListener("input", (event) =>
    set({ gain: Math.min(64, Math.max(1, Number(event.target.value) || 1)) }));
  byId("v-in").addEventListener("click", () => zoomAt(2));
  byId("v-out").addEventListener("click", () => zoomAt(0.5));
  byId("v-fit").addEventListener("click", () => set({ zoom: 1 }));
  const swap = () => set({ left: state.right, right: state.left });
  byId("v-swap").addEventListener("click", swap);

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.1 / state.zoom;
    const moves = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    if (move && event.shiftKey) {
      set({ x: state.x + move[0] * step, y: state.y + move[1] * step });
    } else if (move && move[0]) {
      set({ at: state.at + move[0] * 0.02 });
    } else if (event.key === "+" || event.key === "=") {
      zoomAt(2);
    } else if (event.key === "-") {
      zoomAt(0.5);
    } else if (event.key === "0") {
      set({ zoom: 1 });
    } else if (event.key.toLowerCase() === "d") {
      set({ difference: !state.difference });
    } else if (event.key.toLowerCase() === "s") {
      swap();
    } else {
      return;
    }
    event.preventDefault();
  });

  // Pointers: one moves the divider or, zoomed and away from it, the
  // picture; two pinch.
  const pointers = new Map();
  let grip = null;
  const fraction = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height, box];
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    const [fx, , box] = fraction(event);
    if (pointers.size === 2) {
      grip = { pinch: spread() };
    } else if (state.difference || (state.zoom > 1 &&
      Math.abs(fx - state.at) * box.width > 28)) {
      grip = { pan: true };
    } else {
      grip = { divider: true };
      set({ at: fx });
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before || !grip) return;
    pointers.set(event.pointerId, event);
    const [fx, fy, box] = fraction(event);
    if (grip.pinch && pointers.size === 2) {
      const now = spread();
      zoomAt(now / grip.pinch, fx, fy);
      grip.pinch = now;
    } else if (grip.divider) {
      set({ at: fx });
    } else if (grip.pan) {
      set({
        x: state.x - (event.clientX - before.clientX) / box.width /
          state.zoom,
        y: state.y - (event.clientY - before.clientY) / box.height /
          state.zoom,
      });
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size || grip?.pinch) grip = null;
    });
  }
  canvas.addEventListener("dblclick", (event) => {
    const [fx, fy] = fraction(event);
    if (state.zoom > 1) set({ zoom: 1 });
    else zoomAt(4, fx, fy);
  });
  canvas.addEventListener("wheel", (event) => {
    // A plain wheel scrolls the page; pinching a touchpad sends Ctrl.
    if (!event.ctrlKey) return;
    event.preventDefault();
    const [fx, fy] = fraction(event);
    zoomAt(Math.exp(-event.deltaY / 100), fx, fy);
  }, { passive: false });
  new ResizeObserver(draw).observe(canvas.parentNode);

  const right = codecs.has("aec") ? "aec" : [...codecs.keys()][1];
  const left = codecs.has("jpeg-420") && right !== "jpeg-420"
    ? "jpeg-420" : "original";
  set({ level: levels[0], left, right });
}
