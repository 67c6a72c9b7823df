aecompress tiny.png other.png
aecompress -l tiny.aec other.aec
aecompress -l --json tiny.aec other.aec | grep -c '"bpp"'
