# Not by permission bits: tests may run as root.
aecompress tiny.png nowhere/tiny.aec
aecompress tiny.png tiny.png/tiny.aec
aecompress -f tiny.png nowhere/tiny.aec
aecompress tiny.png /dev/full
aecompress --output-dir tiny.png tiny.png
