aecompress tiny.png other.png
head -c 100 tiny.aec > cut.aec
aedecompress --features out.npy tiny.aec cut.aec other.aec
echo $?
cut -d, -f1-3 out.csv
aedecompress --features out.npy tiny.aec
echo $?
aedecompress -f -v --features out.npy tiny.aec
aedecompress --features none.npy cut.aec
echo $?
aedecompress --features out.txt tiny.aec
aedecompress --features a.npy -o b tiny.aec
aecompress --features a.npy tiny.aec
aedecompress --features nowhere/a.npy tiny.aec
