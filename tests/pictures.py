"""PNG files: what a browser writes is read, and pictures are kept small: at most 256 colours."""
import struct
import zlib

import numpy as np


def pixels(path):
    """An 8-bit RGB or RGBA PNG as [height, width, 3]."""
    data = path.read_bytes()
    width, height, depth, color = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and color in (2, 6), (depth, color)
    channels, at, packed = (3 if color == 2 else 4), 8, b""
    while at < len(data):
        size, = struct.unpack(">I", data[at:at + 4])
        if data[at + 4:at + 8] == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    raw, stride = zlib.decompress(packed), 1 + width * channels
    rows = [bytes(stride - 1)]
    for y in range(0, height * stride, stride):
        rows.append(unfilter(raw[y], raw[y + 1:y + stride], rows[-1], channels))
    return np.frombuffer(b"".join(rows[1:]), np.uint8).reshape(height, width, channels)[:, :, :3]


def unfilter(kind, line, above, channels):
    """One row of a PNG (RFC 2083, section 6), bytes in and out."""
    if kind == 0:
        return line
    out = bytearray(line)
    for i, value in enumerate(line):
        left, up = (out[i - channels], above[i]) if i >= channels else (0, above[i])
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        else:
            corner = above[i - channels] if i >= channels else 0
            p, q, r = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            guess = left if p <= q and p <= r else up if q <= r else corner
        out[i] = (value + guess) & 255
    return bytes(out)


def few_colors(image, most=256):
    """Each pixel as the number of a colour, and the colours: the most frequent ones, of which all others take
    the nearest."""
    colors, numbers, counts = np.unique(image.reshape(-1, 3) >> 1, axis=0, return_inverse=True, return_counts=True)
    kept = colors[np.argsort(-counts, kind="stable")[:most]].astype(int)
    nearest = np.array([np.argmin(((kept - c) ** 2).sum(axis=1)) for c in colors.astype(int)])
    return nearest[numbers].reshape(image.shape[:2]).astype(np.uint8), (kept * 2 + (kept > 63)).astype(np.uint8)


def write_png(path, image):
    """[height, width, 3] as a PNG with a palette (RFC 2083), every row as it is."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    numbers, colors = few_colors(image)
    rows = np.hstack([np.zeros((len(numbers), 1), np.uint8), numbers]).tobytes()
    path.write_bytes(b"\x89PNG\r\n\x1a\n" +
                     chunk(b"IHDR", struct.pack(">IIBBBBB", numbers.shape[1], numbers.shape[0], 8, 3, 0, 0, 0)) +
                     chunk(b"PLTE", colors.tobytes()) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
