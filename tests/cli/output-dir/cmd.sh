aecompress --output-dir out tiny.png folder/other.png
