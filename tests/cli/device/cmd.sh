aecompress tiny.png /dev/null
