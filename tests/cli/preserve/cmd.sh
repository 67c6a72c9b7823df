touch -d '2001-02-03 04:05:06.5 UTC' tiny.png
aecompress -p tiny.png
stat -c %.1Y tiny.aec
sleep 0.01
aedecompress -p tiny.aec back.png
stat -c %.1Y back.png
aecompress -f tiny.png
test tiny.aec -nt tiny.png
