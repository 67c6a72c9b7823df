ln -s tiny.png link.png
aecompress --rm link.png
echo $?
rm link.png
