aecompress notes.txt
