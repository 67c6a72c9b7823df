aecompress --suffix replace -r photos
aecompress --suffix append --dry-run -r photos
aecompress -r photos
aecompress -r photos
aecompress --rm -r photos
