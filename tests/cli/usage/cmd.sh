aecompress -q 0 tiny.png
aecompress -q 101 tiny.png
aecompress -q nan tiny.png
aecompress --frob tiny.png
aedecompress -q 50 tiny.png
aecompress --json tiny.png
aecompress -o a.aec tiny.png other.png
aecompress -T 0 tiny.png
aecompress -q 5 --target-psnr 40 tiny.png
aecompress --target-size 1.5k --target-psnr 40 tiny.png
aecompress --target-size 10x tiny.png
aecompress --target-psnr -3 tiny.png
aedecompress --target-size 10k tiny.aec
aedecompress --tune psnr tiny.aec
aecompress --tune ms-ssim tiny.png
aecompress --tune nice --effort 3 tiny.png
aecompress -r
aecompress -r -c tiny.png
aecompress -p -
aecompress -d --rm - < tiny.png
