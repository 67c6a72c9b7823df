// Two pictures of one size, one over the other, with a line between them: zoom, pan, split.

const at = (id) => document.getElementById(id);
const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

export class Viewer {
  constructor() {
    Object.assign(this, { box: at('viewer'), left: at('left'), right: at('right'),
      split: at('split'), scale: 1, x: 0, y: 0, fitted: true, pointers: new Map() });
    this.split.addEventListener('input', () => this.draw());
    const middle = () => [this.box.clientWidth / 2, this.box.clientHeight / 2];
    at('plus').addEventListener('click', () => this.zoom(1.5, ...middle()));
    at('minus').addEventListener('click', () => this.zoom(1 / 1.5, ...middle()));
    at('fit').addEventListener('click', () => this.fit());
    at('one').addEventListener('click', () => this.zoom(1 / (this.scale * devicePixelRatio), ...middle()));
    this.box.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    this.box.addEventListener('keydown', (event) => this.key(event));
    this.box.addEventListener('pointerdown', (event) => this.press(event));
    this.box.addEventListener('pointermove', (event) => this.move(event));
    for (const kind of ['pointerup', 'pointercancel']) {
      this.box.addEventListener(kind, (event) => this.pointers.delete(event.pointerId));
    }
    new ResizeObserver(() => (this.fitted ? this.fit() : this.draw())).observe(this.box);
  }

  /** Show pictures of width x height pixels: URLs, and what they are. */
  async show(width, height, left, right) {
    const other = width !== this.width || height !== this.height;
    Object.assign(this, { width, height });
    for (const [image, { url, name }] of [[this.left, left], [this.right, right]]) {
      if (image.src !== url) image.src = url;
      image.alt = name;
      at(`${image.id}-tag`).textContent = name;
      [image.width, image.height] = [width, height];
    }
    this.box.style.aspectRatio = `${width} / ${height}`;
    if (other) this.fit(); else this.draw();
    await Promise.all([this.left.decode(), this.right.decode()]).catch(() => {});
  }

  fit() {
    if (!this.width) return;
    const { clientWidth: w, clientHeight: h } = this.box;
    this.scale = Math.min(w / this.width, h / this.height, 4);
    [this.x, this.y] = [(w - this.scale * this.width) / 2, (h - this.scale * this.height) / 2];
    this.fitted = true;
    this.draw();
  }

  zoom(factor, x, y) {
    const scale = clamp(this.scale * factor, 0.02, 40), f = scale / this.scale;
    [this.x, this.y] = [x - f * (x - this.x), y - f * (y - this.y)];
    Object.assign(this, { scale, fitted: false });
    this.draw();
  }

  pan(dx, dy) {
    [this.x, this.y, this.fitted] = [this.x + dx, this.y + dy, false];
    this.draw();
  }

  key(event) {
    const [w, h] = [this.box.clientWidth / 2, this.box.clientHeight / 2];
    const does = { '+': () => this.zoom(1.25, w, h), '=': () => this.zoom(1.25, w, h),
      '-': () => this.zoom(0.8, w, h), 0: () => this.fit(), ArrowLeft: () => this.pan(40, 0),
      ArrowRight: () => this.pan(-40, 0), ArrowUp: () => this.pan(0, 40),
      ArrowDown: () => this.pan(0, -40), '[': () => this.slide(-2), ']': () => this.slide(2) };
    if (!does[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    does[event.key]();
  }

  slide(by) {
    this.split.value = Number(this.split.value) + by;
    this.draw();
  }

  press(event) {
    this.box.setPointerCapture(event.pointerId);
    const box = this.box.getBoundingClientRect(), x = event.clientX - box.left;
    const line = Number(this.split.value) / 100 * box.width;
    this.onLine = !this.pointers.size && at('line').offsetParent && Math.abs(x - line) < 22;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId), box = this.box.getBoundingClientRect();
    if (!before) return;
    const now = [event.clientX, event.clientY], all = [...this.pointers];
    this.pointers.set(event.pointerId, now);
    if (this.onLine) {
      this.split.value = 100 * (now[0] - box.left) / box.width;
      this.draw();
    } else if (all.length === 1) {
      this.pan(now[0] - before[0], now[1] - before[1]);
    } else {
      const [, other] = all.find(([id]) => id !== event.pointerId);
      const far = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
      const middle = [(now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top];
      this.zoom(far(now) / Math.max(1, far(before)), ...middle);
      this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    }
  }

  draw() {
    const share = Number(this.split.value) / 100, line = share * this.box.clientWidth;
    const place = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    for (const image of [this.left, this.right]) {
      image.style.transform = place;
      image.classList.toggle('large', this.scale * devicePixelRatio >= 2);
    }
    const edge = (line - this.x) / this.scale;
    this.left.style.clipPath = `inset(0 ${Math.max(0, this.width - edge)}px 0 0)`;
    this.right.style.clipPath = `inset(0 0 0 ${Math.max(0, edge)}px)`;
    at('line').style.left = `${line}px`;
  }
}
