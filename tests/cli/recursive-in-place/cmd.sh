aecompress -r .
aecompress -r --output-dir out . && aecompress -f -r --output-dir out .
