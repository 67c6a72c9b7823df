aecompress --rm tiny.png -o /dev/null
