aecompress tiny.png
aedecompress tiny.aec out.xyz
