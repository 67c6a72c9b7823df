aecompress animated.gif cmyk.jpg deep.png
