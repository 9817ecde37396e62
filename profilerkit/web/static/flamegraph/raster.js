// Paint boxes as pixels, a row of them at a time: a call tree has tens of thousands, and to have the canvas
// draw each takes ten times as long as to fill in its pixels here.

// A colour, [red, green, blue], as one pixel.
export function pixelOf([red, green, blue]) {
  return new Uint32Array(Uint8Array.of(red, green, blue, 255).buffer)[0];
}

export class Raster {
  // All of a canvas; `ratio` is how many of its pixels are one CSS pixel, in which everything is told.
  constructor(context, ratio) {
    const { width, height } = context.canvas;
    Object.assign(this, { context, ratio, width, height });
    this.image = context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.row = new Uint32Array(width);
  }

  clear(pixel) {
    this.background = pixel;
    this.pixels.fill(pixel);
  }

  begin() {
    this.row.fill(this.background);
  }

  // A box is never narrower than a pixel.
  box(left, right, pixel) {
    const from = Math.round(left * this.ratio);
    this.row.fill(pixel, from, Math.max(from + 1, Math.round(right * this.ratio)));
  }

  // Fill the row in between two heights, as far as they are on the canvas.
  end(top, bottom) {
    const last = Math.min(this.height, Math.round(bottom * this.ratio));
    for (let y = Math.max(0, Math.round(top * this.ratio)); y < last; y++) this.pixels.set(this.row, y * this.width);
  }

  show() {
    this.context.putImageData(this.image, 0, 0);
  }
}
