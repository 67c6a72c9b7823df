aecompress -r photos
