aecompress tiny.png
mv tiny.png first.png
aedecompress tiny.aec
