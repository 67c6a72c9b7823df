aecompress tiny.png
aecompress < tiny.png | cmp - tiny.aec
aecompress - < tiny.png | cmp - tiny.aec
aecompress -c tiny.png | cmp - tiny.aec
aecompress tiny.png - | cmp - tiny.aec
cat tiny.png | aecompress - piped.aec
cmp piped.aec tiny.aec && rm piped.aec
aedecompress tiny.aec back.png
aedecompress < tiny.aec | cmp - back.png
aecompress -d -o - tiny.aec | cmp - back.png
