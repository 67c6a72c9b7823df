aecompress --output-dir out tiny.png folder/tiny.png
