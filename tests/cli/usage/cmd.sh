aecompress -q 0 tiny.png
aecompress -q 101 tiny.png
aecompress -q nan tiny.png
aecompress --frob tiny.png
aedecompress -q 50 tiny.png
aecompress --json tiny.png
aecompress -o a.aec tiny.png other.png
aecompress -T 0 tiny.png
