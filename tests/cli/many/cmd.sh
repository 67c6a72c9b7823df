for n in 1 2 3 4 5 6 7; do cp tiny.png $n.png; done
cp notes.txt 3.png
aecompress -q 1 -v -T 2 --output-dir out 1.png 2.png 3.png 4.png no.png 5.png 6.png 7.png
code=$?
rm [1-7].png
exit $code
