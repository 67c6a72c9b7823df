aecompress < notes.txt
