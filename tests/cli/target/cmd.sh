aecompress -v --target-size 1k photo.png small.aec
test $(stat -c %s small.aec) -le 1000 || echo too large
aecompress -v --target-size 1bpp photo.png one.aec
test $(stat -c %s one.aec) -le 1536 || echo too large
aecompress -v --target-psnr 30 photo.png psnr.aec
aecompress -v --target-score 40 photo.png score.aec
aecompress --target-size 40 photo.png no.aec
aecompress --target-psnr 99 photo.png no.aec
