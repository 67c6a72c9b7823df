aecompress -r photos no.png
