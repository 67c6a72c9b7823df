aecompress tiny.png
head -c 40 tiny.aec > cut.aec
rm tiny.aec
aedecompress -t cut.aec
aedecompress cut.aec
