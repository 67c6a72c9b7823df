aecompress tiny.png
aecompress --quiet tiny.aec again.aec || [ $? = 2 ] && aecompress --quiet --quiet no.png
