aecompress --max-pixels 395 tiny.png
aecompress --max-pixels 396 tiny.png
aedecompress --max-pixels 395 tiny.aec out.png
