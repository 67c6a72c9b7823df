aecompress notes.txt tiny.png no.png
