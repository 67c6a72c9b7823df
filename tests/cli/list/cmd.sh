aecompress -q 30 tiny.png
aecompress -l tiny.aec no.aec
