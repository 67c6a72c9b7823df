aecompress cut.jpg photo.heic
