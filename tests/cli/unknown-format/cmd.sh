aedecompress --format xyz tiny.aec
